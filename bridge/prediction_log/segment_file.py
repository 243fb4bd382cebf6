"""Writes one segment: appends records, cuts a failed write off again, and never writes after the segment is closed."""

import errno
import hashlib
import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.prediction_log.folder import segment_name, suspect_mark
from bridge.prediction_log.frames import MOST_BODY_BYTES, encode_preamble, frame_parts

__all__ = ["SegmentFile"]

_SMALL_BYTES = 16 << 10


class SegmentFile:
    """A new segment of a log, to be used by one thread at a time.

    Args:
        folder: the folder of the log.
        header: the header of the segment; its `first_sequence` gives the file its name.

    Attributes:
        path: the path of the segment.
        size: the number of bytes that were written to it.
        failure: the error because of which the segment may not be on the disk; None if there was none.

    Raises:
        OSError: the file can't be made or its header can't be written; no file is left then.
    """

    def __init__(self, folder: Path, header: pb.SegmentHeader) -> None:
        self._id = header.segment_id
        self._sha256 = hashlib.sha256()
        self._hashing = threading.Lock()
        self._unhashed: deque[bytes] = deque()
        self._hashed = 0
        self.failure: Exception | None = None
        self.path, self._descriptor = _create(folder, header.first_sequence)
        self.size = 0
        try:
            self._write([encode_preamble(header)])
        except OSError:
            self.close()
            self.path.unlink()
            raise

    @property
    def descriptor(self) -> int:
        """The file descriptor, with which another thread may call fdatasync; -1 once the segment is closed."""
        return self._descriptor

    def append(self, sequence: int, bodies: Sequence[Sequence[bytes]]) -> None:
        """Writes records to the page cache: all of them or none.

        Args:
            sequence: the number of the first record.
            bodies: the records, each in parts.

        Raises:
            OSError: no record was written; what was written in part has been cut off again. One of the records may be
                larger than a reader takes.
        """
        parts: list[bytes] = []
        for number, body in enumerate(bodies, sequence):
            if sum(map(len, body)) > MOST_BODY_BYTES:
                raise OSError(errno.EFBIG, f"the record is larger than {MOST_BODY_BYTES} bytes")
            parts += frame_parts(self._id, number, body)
        self._write(parts)

    def hash_written(self) -> None:
        """Adds the bytes written since the last time to the SHA-256; any thread may call it.

        Hashing costs more than writing, so it is done apart.
        """
        with self._hashing:
            small: list[bytes] = []
            while self._unhashed:
                part = self._unhashed.popleft()
                if len(part) < _SMALL_BYTES:
                    small.append(part)
                    continue
                self._hash(b"".join(small))
                small.clear()
                self._hash(part)
            # Many small parts at once: hashing less than 2 KiB does not release the interpreter lock.
            self._hash(b"".join(small))

    def _hash(self, part: bytes) -> None:
        self._sha256.update(part)
        self._hashed += len(part)

    @property
    def unhashed_bytes(self) -> int:
        """How many of the written bytes are still held in memory, because they are not hashed yet."""
        return self.size - self._hashed

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of all bytes of the segment."""
        self.hash_written()
        return self._sha256.digest()

    def close(self) -> None:
        """Closes the file; does nothing if it is closed already.

        Raises:
            OSError: the system could not write the file out; it is closed all the same.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def leave(self) -> None:
        """Closes a file that the system could not write out, and puts a `.suspect` mark beside it.

        Raises:
            OSError: the mark could not be made, or closing failed; the file is closed all the same.
        """
        try:
            self.close()
        finally:
            suspect_mark(self.path).touch()

    def _write(self, parts: list[bytes]) -> None:
        length = sum(map(len, parts))
        try:
            written = os.writev(self._descriptor, parts)
            if written < length:
                rest = b"".join(parts)
                while written < length:
                    written += os.write(self._descriptor, rest[written:])
        except OSError:
            # A nearly full disk takes a part and refuses the rest, which would leave a torn record without a crash.
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += length
        self._unhashed.extend(parts)


def _create(folder: Path, sequence: int) -> tuple[Path, int]:
    number = 0
    while True:
        # A gateway that was killed before its first record leaves a segment of this name; "_" sorts behind ".".
        path = folder / segment_name(sequence, number)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            return path, os.open(path, flags, 0o600)
        except FileExistsError:
            number += 1
