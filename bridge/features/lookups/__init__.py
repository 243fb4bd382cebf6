"""Looks the features of a call up by the caller's keys, fills and combines them, before the rows are bound."""
