"""Reads the newest part of a log, up to a number of bytes, while a gateway writes to it."""

import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from google.protobuf.message import DecodeError
from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.errors import BundleError
from bridge.files import open_regular
from bridge.prediction_log.folder import first_sequence, segment_paths
from bridge.prediction_log.frames import PREAMBLE_BYTES, FormatError, decode_header, header_length
from bridge.prediction_log.search import FrameSearch
from bridge.prediction_log.segment_bytes import SegmentBytes

__all__ = ["RecentRecords"]

_MOST_HEADER_BYTES = 1 << 20


class RecentRecords:
    """The records of a log since a time, as far as they are among its newest bytes.

    Nothing is locked or written. Segments that retention removes meanwhile are passed over.

    Args:
        folder: the folder of the log.
        since_ns: the time from which on calls are wanted, nanoseconds since 1970.
        most_bytes: the most bytes that are read.

    Attributes:
        damaged: whether a part could not be read so far, because it is damaged or was removed.
        first_ns: when the first call came of those that were read, whether wanted or not; 0 if there was none.
    """

    def __init__(self, folder: Path, since_ns: int, most_bytes: int) -> None:
        self.damaged = False
        self.first_ns = 0
        self._first_answered_ns = 0
        self._cut = False
        self._folder = folder
        self._since_ns = since_ns
        self._most_bytes = most_bytes

    @property
    def cut(self) -> bool:
        """Whether calls since that time may be missing, because they are not among the newest bytes."""
        # Records are in the order of their answers: what is before one that was answered by then came before, too.
        return self._cut and not 0 < self._first_answered_ns < self._since_ns

    @property
    def whole(self) -> bool:
        """Whether everything since that time was read so far."""
        return not (self.damaged or self.cut)

    def records(self) -> Iterator[log_pb.LogRecord]:
        """Yields the undamaged records, the oldest first; can be used once.

        Raises:
            LogNotReadable: there is no log in the folder.
            OSError: a segment can't be read.
        """
        for path, begin, end in self._parts():
            try:
                with open_regular(path) as file:
                    for record in self._of_segment(file, begin, end):
                        if not self.first_ns:
                            self.first_ns = record.received_ns
                            self._first_answered_ns = record.received_ns + record.total_ns
                        if record.received_ns >= self._since_ns:
                            yield record
                    # Else this reading would push what the gateway needs out of the page cache.
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            except (FileNotFoundError, BundleError):
                self.damaged = True

    def _parts(self) -> list[tuple[Path, int, int]]:
        """Returns the segments to read, oldest first, each with the place to begin at and its size in bytes."""
        left, parts = self._most_bytes, list[tuple[Path, int, int]]()
        # A copy of a segment, which only has the same ending, would count its calls twice.
        for path in reversed([one for one in segment_paths(self._folder) if first_sequence(one) is not None]):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            if found.st_mtime_ns < self._since_ns:
                break
            if not left:
                self._cut = True
                break
            taken = min(left, found.st_size)
            parts.append((path, found.st_size - taken, found.st_size))
            self._cut |= taken < found.st_size
            left -= taken
        return parts[::-1]

    def _of_segment(self, file: BufferedReader, begin: int, end: int) -> Iterator[log_pb.LogRecord]:
        segment = SegmentBytes(file)
        try:
            header, first = _read_header(segment)
        except FormatError:
            self.damaged = True
            return
        search = FrameSearch(segment, header.segment_id)
        offset: int | None = search.find(begin, None) if begin > first else first
        while offset is not None and offset < end:
            found = search.next_frame(offset)
            if found is None:
                after = search.find(offset, None)
                self.damaged |= after is not None  # the last record may not be finished yet
                offset = after
                continue
            frame, offset = found
            try:
                yield log_pb.LogRecord.FromString(frame.body)
            except DecodeError:
                self.damaged = True


def _read_header(segment: SegmentBytes) -> tuple[log_pb.SegmentHeader, int]:
    preamble = segment.read(0, PREAMBLE_BYTES)
    length = header_length(preamble)
    header = decode_header(preamble + segment.read(PREAMBLE_BYTES, min(length, _MOST_HEADER_BYTES)))
    return header, PREAMBLE_BYTES + length
