"""The disk of the prediction log: its free space and the log's size, read in a thread because a disk may hang."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bridge.calls import now
from bridge.errors import PassingFailure
from bridge.prediction_log.folder import first_sequence
from bridge.reads import Reads

__all__ = ["Disk", "LogDisk"]

_FRESH_S = 5.0
_MOST_FILES = 100_000
_SUBJECT = "the folder of the prediction log"


@dataclass(frozen=True, slots=True)
class Disk:
    """What was found.

    Attributes:
        free_bytes: the bytes that this gateway may still write.
        disk_bytes: all bytes of the file system.
        log_bytes: the size of all segments.
        segments: the number of segments.
        fault: why nothing could be found; empty if it could be.
    """

    free_bytes: int = 0
    disk_bytes: int = 0
    log_bytes: int = 0
    segments: int = 0
    fault: str = ""


class LogDisk:
    """Looks at the disk of a prediction log, at most every five seconds however many ask.

    Args:
        folder: the folder of the log.
        look: looks at a folder; it may block, and raise OSError.
        limit_s: how long that may take, seconds.
    """

    def __init__(self, folder: Path, look: Callable[[Path], Disk] | None = None, limit_s: float = 2.0) -> None:
        self._folder = folder
        self._look = look or _look
        self._limit_s = limit_s
        self._reads = Reads()
        self._seen = Disk()
        self._until = 0.0

    async def find(self) -> Disk:
        """Returns what was found within the last five seconds; a disk that does not answer in time has a fault."""
        if now() < self._until:
            return self._seen
        try:
            self._seen = await self._reads.run(_SUBJECT, self._limit_s, lambda: self._look(self._folder))
        except PassingFailure as error:
            self._seen = Disk(fault=str(error))
        except OSError as error:
            self._seen = Disk(fault=f"{_SUBJECT} can't be read: {error.strerror}")
        self._until = now() + _FRESH_S
        return self._seen


def _look(folder: Path) -> Disk:
    found = os.statvfs(folder)
    size = segments = 0
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST_FILES:
                return Disk(fault=f"{_SUBJECT} holds more than {_MOST_FILES:,} files: set log_keep_s or log_keep_bytes")
            if first_sequence(Path(entry.name)) is not None:
                segments += 1
                size += _size(entry)
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, size, segments)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # removed meanwhile, because it was old
        return 0
