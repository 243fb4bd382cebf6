"""What a model takes: its features, and a caller's columns brought into their names, order and types."""
