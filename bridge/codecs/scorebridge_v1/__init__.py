"""The messages of scorebridge.v1: counted before anything is built of them, read, and written."""
