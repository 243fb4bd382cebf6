"""Reading a log: every undamaged record, in order, and where the damage is. Nothing here ever writes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from google.protobuf.message import DecodeError
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.files import open_regular
from bridge.prediction_log.folder import LogNotReadable, first_sequence, segment_paths
from bridge.prediction_log.frames import (
    FRAME_BYTES,
    PREAMBLE_BYTES,
    FormatError,
    NewerFormat,
    decode_header,
    header_length,
)
from bridge.prediction_log.salvage import find_segment_id, never_begun
from bridge.prediction_log.search import FrameSearch

__all__ = ["Damage", "Entry", "Segment", "read_log", "segments_of"]

_MOST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One record and where it is.

    Attributes:
        segment: the file.
        offset: of its frame, bytes.
        sequence: its number in the log.
        record: what was logged.
        header: of its segment; only its id where it is damaged.
    """

    segment: Path
    offset: int
    sequence: int
    record: pb.LogRecord
    header: pb.SegmentHeader


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no records.

    Attributes:
        segment: the file.
        offset: where they begin.
        count: how many bytes.
        torn: it is the end that a killed gateway or a power cut leaves: a frame that was begun and never finished.
        reason: in words.
    """

    segment: Path
    offset: int
    count: int
    torn: bool
    reason: str


@dataclass
class Segment:
    """One file of a log, read once from front to back in constant memory.

    Attributes:
        path: the file.
        header: None until it was read, and if it can't be.
        damages: found so far.
        sha256: over every byte, once `entries` is exhausted.
    """

    path: Path
    header: pb.SegmentHeader | None = None
    damages: list[Damage] = field(default_factory=list)
    sha256: bytes = b""

    def entries(self) -> Iterator[Entry]:
        """Its undamaged records in order.

        Raises:
            LogNotReadable: it is not a regular file any more.
            OSError: it can't be read.
        """
        with open_regular(self.path, refusal=LogNotReadable) as file:
            try:
                self.header = _read_header(file)
            except NewerFormat as error:
                self._damage(0, self.path.stat().st_size, torn=False, reason=str(error))
            except FormatError as error:
                yield from self._salvaged(file, str(error))
            else:
                search = FrameSearch(file, self.header.segment_id)
                yield from self._frames(search, self.header, self.header.first_sequence)
            self.sha256 = _sha256(file)

    def _salvaged(self, file: BufferedReader, reason: str) -> Iterator[Entry]:
        """The records behind a damaged header, which has only its id in common with what was written."""
        segment_id, expected = find_segment_id(file), first_sequence(self.path)
        search = FrameSearch(file, segment_id or b"")
        first = None if segment_id is None else search.find(0, expected)
        if segment_id is None or first is None:
            torn = never_begun(file)
            self._damage(0, search.size(), torn=torn, reason="its header was never finished" if torn else reason)
            return
        self._damage(0, first, torn=False, reason=reason)
        file.seek(first)
        yield from self._frames(search, pb.SegmentHeader(segment_id=segment_id), expected)

    def _frames(self, search: FrameSearch, header: pb.SegmentHeader, expected: int | None) -> Iterator[Entry]:
        while True:
            offset = search.file.tell()
            found = search.read()
            if found is None:
                if not self._skip(search, offset, expected):
                    return
                continue
            sequence, body = found
            expected = sequence + 1
            try:
                record = pb.LogRecord.FromString(body)
            except DecodeError:
                self._damage(offset, FRAME_BYTES + len(body), torn=False, reason="the record can't be read")
                continue
            yield Entry(self.path, offset, sequence, record, header)

    def _skip(self, search: FrameSearch, offset: int, expected: int | None) -> bool:
        """Goes on to the next frame that checks; False at the end of the file."""
        size = search.size()
        if size <= offset:
            return False
        found = search.find(offset, expected)
        if found != offset:  # else it was finished meanwhile: the log is being written
            end = size if found is None else found
            torn = found is None and search.is_torn(offset, size)
            reason = "the last record was never finished" if torn else "no record checks here"
            self._damage(offset, end - offset, torn=torn, reason=reason)
        search.file.seek(size if found is None else found)
        return found is not None

    def _damage(self, offset: int, count: int, *, torn: bool, reason: str) -> None:
        self.damages.append(Damage(self.path, offset, count, torn, reason))


def segments_of(folder: Path) -> list[Segment]:
    """The segments of a log, oldest first; none if no call came yet.

    Raises:
        LogNotReadable: there is no log in the folder.
    """
    return [Segment(path) for path in segment_paths(folder)]


def read_log(folder: Path) -> Iterator[Entry]:
    """Every undamaged record of a log, oldest first, in constant memory."""
    for segment in segments_of(folder):
        yield from segment.entries()


def _read_header(file: BufferedReader) -> pb.SegmentHeader:
    preamble = file.read(PREAMBLE_BYTES)
    # A damaged length may say anything, and what is read of it stays in memory.
    return decode_header(preamble + file.read(min(header_length(preamble), _MOST_HEADER_BYTES)))


def _sha256(file: BufferedReader) -> bytes:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").digest()
