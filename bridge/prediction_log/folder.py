"""The folder of a log: how its files are called, and which of them are its segments."""

import errno
import os
import re
import stat
from pathlib import Path

from bridge.errors import BridgeError

__all__ = ["LogNotReadable", "first_sequence", "open_lock", "segment_name", "segment_paths", "suspect_mark"]

_LOCK = ".lock"
_SUFFIX = ".sblog"
_NAME = re.compile(rf"([0-9]{{20}})(?:_([0-9]+))?{re.escape(_SUFFIX)}")
_BEHIND_ALL = 1 << 70


class LogNotReadable(BridgeError):
    """There is no log where one was looked for."""

    reason = "LOG_NOT_READABLE"


def open_lock(folder: Path) -> int:
    """A descriptor of the file that a gateway locks as long as it writes to a log; made if need be.

    Raises:
        OSError: it can't be opened, or is a link or no regular file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(folder / _LOCK, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{_LOCK} in it is not a regular file")
    return descriptor


def segment_name(first: int, number: int = 0) -> str:
    """Of the segment that begins with this record; `number` tells it from those that were begun before and got none."""
    return f"{first:020d}{f'_{number}' if number else ''}{_SUFFIX}"


def first_sequence(path: Path) -> int | None:
    """The record that a segment begins with, by its name; None if no gateway gives such a name, as with a copy."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def suspect_mark(path: Path) -> Path:
    """The file that says of a segment that the system failed to write it out."""
    return path.with_name(f"{path.name}.suspect")


def segment_paths(folder: Path) -> list[Path]:
    """The segments of a log, oldest first, and behind them files that only end like one; none if no call came yet.

    Raises:
        LogNotReadable: the folder is none, or holds neither a segment nor a gateway's lock.
    """
    if not folder.is_dir():
        raise LogNotReadable(f"{folder} is not a folder")
    found = sorted((path for path in folder.glob(f"*{_SUFFIX}") if path.is_file()), key=_place)
    if not found and not (folder / _LOCK).is_file():
        raise LogNotReadable(f"there is no segment (*{_SUFFIX}) in {folder}")
    return found


def _place(path: Path) -> tuple[int, int, str]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 0), path.name) if match else (_BEHIND_ALL, 0, path.name)
