"""Scores Python models again."""
