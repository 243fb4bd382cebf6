"""What is deployed: the files of a bundle, what its author says in model.toml, and the repository of versions."""
