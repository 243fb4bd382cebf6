"""Processes that are leased one call at a time and killed when they are lost."""
