"""What a shell completes beyond commands and options: the names of a repository's models."""

from pathlib import Path

import typer

from bridge.bundles.repository import Repository

__all__ = ["complete_model"]


def complete_model(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the models that begin with `incomplete`, of the repository that `--repository` names before the cursor.

    Without `--repository`, or if the folder can't be read, there is nothing to complete.
    """
    named = context.params.get("repository")
    if named is None:
        return []
    try:
        return [name for name in Repository(Path(named)).models() if name.startswith(incomplete)]
    except OSError:
        return []
