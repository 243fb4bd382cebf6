"""`scorebridge token`: makes a token for a caller, and the lines for callers.toml that make it known."""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from bridge.callers.callers_file import check_caller_name
from bridge.cli.commands import CommandFailed

__all__ = ["make_token", "token", "write_token"]

_TOKEN_BYTES = 32


def token(
    name: Annotated[str, typer.Argument(help="The caller's name in callers.toml.")],
    *,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Write the token to this new file, and don't show it.")
    ] = None,
) -> None:
    """Make a token for a caller, and print the lines for callers.toml that make it known.

    The lines go to standard output and the token to standard error, so that `>> callers.toml` adds the lines alone.
    """
    made, lines = make_token(name)
    if token_file is None:
        typer.echo(made, err=True)
    else:
        write_token(token_file, made)
    typer.echo(lines)


def make_token(name: str) -> tuple[str, str]:
    """Returns a new random token of 256 bits, and the lines of callers.toml that state its SHA-256 for a caller.

    Raises:
        ConfigError: callers.toml would not take the name.
    """
    check_caller_name(name)
    made = secrets.token_urlsafe(_TOKEN_BYTES)
    digest = hashlib.sha256(made.encode("ascii")).hexdigest()
    key = f'"{name}"' if "." in name else name  # a bare key with dots would be tables within tables
    return made, f'[callers.{key}]\ntoken_sha256 = "{digest}"'


def write_token(path: Path, made: str) -> None:
    """Writes a token to a new file that only its owner can read; a file or link that is there is never replaced.

    Raises:
        CommandFailed: there is something at this path already.
        OSError: the file can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise CommandFailed(f"{path} exists already, and a token is never written over: name another file") from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, 0o600)
            file.write(f"{made}\n")
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
