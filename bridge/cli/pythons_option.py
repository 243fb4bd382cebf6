"""The option by which commands that run models learn which interpreters a gateway has for Python models."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["PythonsOf"]

PythonsOf = Annotated[
    Path | None,
    typer.Option("--config", help="A gateway's settings file, whose [pythons] names interpreters of Python models."),
]
