"""Gives a client the token that a file holds, and reads the file again when it has changed."""

import logging
import os
import re
import time
from pathlib import Path

from scorebridge.small_files import read_small

__all__ = ["TokenFile"]

_MOST_BYTES = 4096  # as a gateway takes it
_TOKEN = re.compile(rb"[\x21-\x7e]+")
_SETTLED_NS = 2 * 10**9  # a file that was written later may change again without another time or size

_log = logging.getLogger(__name__)

_Known = tuple[int, int, int, int, int]


class TokenFile:
    """A function that returns the token in a file, for the argument `token` of a client. May be shared by threads.

    The file holds one line of visible ASCII characters, with or without a line break at its end, and has at most 4,096
    bytes. Links are followed, so that a mounted secret of Kubernetes works. When the file has changed, the next call
    sends the new token. If the changed file can't be read or holds no token, calls keep the last token, and the fault
    is logged once. No message holds a token.

    Args:
        path: the path of the file.

    Raises:
        ValueError: the file holds no token, is too large or is not a regular file; the message names it.
        OSError: the file can't be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._fault = ""
        self._token, self._known = self._read()

    def __call__(self) -> str:
        """Returns the token that the file holds now, or the last one that it held."""
        try:
            if self._known is None or _identity(self._path.stat()) != self._known:
                self._token, self._known = self._read()
                self._fault = ""
        except (OSError, ValueError) as error:
            self._say(str(error))
        return self._token

    def _read(self) -> tuple[str, _Known | None]:
        raw, found = read_small(str(self._path), _MOST_BYTES)
        line = raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")
        if _TOKEN.fullmatch(line) is None:
            raise ValueError(f"{self._path} holds no token: it must be one line of visible ASCII characters")
        settled = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED_NS
        return line.decode("ascii"), _identity(found) if settled else None

    def _say(self, fault: str) -> None:
        if fault != self._fault:
            _log.error("%s; calls go on with the last token", fault)
        self._fault = fault

    def __repr__(self) -> str:
        return f"TokenFile({str(self._path)!r})"


def _identity(found: os.stat_result) -> _Known:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
