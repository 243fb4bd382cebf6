"""Scores whole tables without a caller who waits: a run over files that can be killed and resumed, and Spark."""
