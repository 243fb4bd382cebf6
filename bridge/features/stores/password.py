"""Reads the password of a store from its file, for gateways and publishers."""

from pathlib import Path

from bridge.config import ConfigError
from bridge.files import read_regular

__all__ = ["read_password"]

_MOST_BYTES = 4096


def read_password(path: Path) -> bytes:
    """Returns the password in a file, without one line break at its end; no message shows it.

    Raises:
        BridgeError: it is not a regular file, has over 4 KiB, or is empty.
        OSError: it can't be read.
    """
    password = read_regular(path, _MOST_BYTES, "password_file").removesuffix(b"\n")
    if not password:
        raise ConfigError("password_file is empty")
    return password
