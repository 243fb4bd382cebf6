"""`scorebridge token`: makes a token for a caller, and the lines for callers.toml that make it known."""

import hashlib
import os
import secrets
from pathlib import Path

from bridge.cli.commands import CommandFailed

__all__ = ["make_token", "write_token"]

_TOKEN_BYTES = 32


def make_token(name: str) -> tuple[str, str]:
    """Returns a new random token of 256 bits, and the lines of callers.toml that state its SHA-256 for a caller.

    Args:
        name: the caller's name, which must be one that callers.toml takes.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    digest = hashlib.sha256(token.encode("ascii")).hexdigest()
    key = name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else f'"{name}"'
    return token, f'[callers.{key}]\ntoken_sha256 = "{digest}"'


def write_token(path: Path, token: str) -> None:
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
            file.write(f"{token}\n")
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
