"""A version of a model, from the bundle that is tried to the version that serves and is let go."""
