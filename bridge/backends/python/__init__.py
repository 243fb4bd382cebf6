"""The backend of Python functions: workers forked by an interpreter of the model's own, which has loaded it."""
