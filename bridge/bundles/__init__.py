"""Bundles, the folders that are deployed: their files, the settings in their model.toml, and the repository."""
