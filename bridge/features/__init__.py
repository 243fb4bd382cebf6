"""The features that a model takes, and the binding of a caller's columns to their names, order and types."""
