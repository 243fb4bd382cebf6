"""Stores of features by entity key: what they hold, and how it is read: Redis, or a file in memory."""
