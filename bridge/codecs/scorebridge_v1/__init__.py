"""The messages of the wire scorebridge.v1: requests are counted and then read, replies are written."""
