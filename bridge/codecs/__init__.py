"""Turns request bytes into batches, and outcomes into reply bytes: a package for each wire."""
