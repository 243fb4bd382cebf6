"""The option --json of every command that prints a list or a table, and how its output is written."""

import json
import math
from typing import Annotated, Any

import typer

__all__ = ["Json", "print_json"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead, for programs.")]


def print_json(value: Any) -> None:
    """Prints a value as one JSON document in UTF-8; infinite numbers are the texts "Infinity" and "-Infinity".

    Args:
        value: what `json` takes: dicts with texts as keys, lists, texts, numbers, truth values and None. NaN is null.
    """
    typer.echo(json.dumps(_spelled(value), indent=2, allow_nan=False))


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _spelled(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
