"""The folder of a log: the names of its files, and which of them are segments."""

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
    """The given folder holds no prediction log, or a file of it is not a regular one."""

    reason = "LOG_NOT_READABLE"


def open_lock(folder: Path, *, make: bool = True) -> int:
    """Opens the file that a gateway locks while it writes to a log, and returns its descriptor.

    Args:
        folder: the folder of the log.
        make: whether to make the file if it is missing.

    Raises:
        OSError: the file can't be opened, or is a link or not a regular file.
    """
    flags = os.O_RDWR | (os.O_CREAT if make else 0) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(folder / _LOCK, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{_LOCK} in it is not a regular file")
    return descriptor


def segment_name(first: int, number: int = 0) -> str:
    """Returns the file name of the segment that begins with record `first`.

    Args:
        first: the number of the segment's first record.
        number: 0, or above 0 to differ from earlier segments that were begun with this number and got no record.
    """
    return f"{first:020d}{f'_{number}' if number else ''}{_SUFFIX}"


def first_sequence(path: Path) -> int | None:
    """Returns the number of a segment's first record, from its file name; None if no gateway gives such a name."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def suspect_mark(path: Path) -> Path:
    """Returns the path of the mark that lies beside a segment which could not be synced to the disk."""
    return path.with_name(f"{path.name}.suspect")


def segment_paths(folder: Path) -> list[Path]:
    """Returns the segments of a log, oldest first, then files that only have the same ending; empty before any call.

    Raises:
        LogNotReadable: this is not a folder, or it holds neither a segment nor a gateway's lock.
    """
    if not folder.is_dir():
        raise LogNotReadable(f"{folder} is not a folder")
    found = sorted((path for path in folder.glob(f"*{_SUFFIX}") if path.is_file()), key=_place)
    if not found and not (folder / _LOCK).is_file():
        raise LogNotReadable(f"there is no prediction log in {folder}: it has no segment (*{_SUFFIX})")
    return found


def _place(path: Path) -> tuple[int, int, str]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 0), path.name) if match else (_BEHIND_ALL, 0, path.name)
