"""Bytes to batches and outcomes, and back: a package for each wire."""
