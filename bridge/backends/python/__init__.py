"""The backend of Python functions: workers that are forked by an interpreter of the model's own, which has loaded it."""
