"""Prints, in JSON, the help of each command that the command line has, by its words; of a group too."""

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import typer

from bridge.cli.app import app


def _commands(group: Any, *words: str) -> list[tuple[str, ...]]:
    found = [words]
    for name, command in getattr(group, "commands", {}).items():
        found += _commands(command, *words, name)
    return found


def _help(*words: str) -> str:
    with redirect_stdout(StringIO()) as printed:
        app([*words, "--help"], prog_name="scorebridge", standalone_mode=False)
    return printed.getvalue()


if __name__ == "__main__":
    helps = {" ".join(words): _help(*words) for words in _commands(typer.main.get_command(app))}
    json.dump(helps, sys.stdout)
