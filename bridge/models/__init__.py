"""Versions of models: trying a bundle, deploying it, loading, serving and unloading a version."""
