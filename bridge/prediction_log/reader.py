"""Reads a log: every undamaged record, in order, and the places of damage. Nothing here ever writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.files import open_regular
from bridge.prediction_log.folder import LogNotReadable, first_sequence, segment_paths
from bridge.prediction_log.frames import (
    PREAMBLE_BYTES,
    FormatError,
    NewerFormat,
    decode_header,
    header_length,
)
from bridge.prediction_log.salvage import find_segment_id, never_begun
from bridge.prediction_log.search import FrameSearch
from bridge.prediction_log.segment_bytes import SegmentBytes

__all__ = ["Damage", "Entry", "Segment", "read_log", "segments_of"]

_MOST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a log, and where it is.

    Attributes:
        segment: the path of the segment that holds it.
        offset: where its frame begins in the segment, in bytes.
        sequence: the number of the record in the log.
        record: the record.
        header: the header of the segment; it has only the segment's id if the header is damaged or was not read.
        end: where its frame ends in the segment, in bytes; 0 if that is not known.
    """

    segment: Path
    offset: int
    sequence: int
    record: pb.LogRecord
    header: pb.SegmentHeader
    end: int = 0


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of a segment that can't be read as records.

    Attributes:
        segment: the path of the segment.
        offset: where the part begins, in bytes.
        count: its length in bytes.
        torn: whether it is the end that a killed gateway or a power cut leaves: a frame that was begun and never
            finished.
        reason: what is wrong with it, in words.
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
        path: the path of the segment.
        header: its header; None before it was read, and if it can't be read.
        damages: the damaged parts that were found so far.
        sha256: the SHA-256 of every byte of the file; empty until `entries` is exhausted.
    """

    path: Path
    header: pb.SegmentHeader | None = None
    damages: list[Damage] = field(default_factory=list)
    sha256: bytes = b""

    def entries(self) -> Iterator[Entry]:
        """Yields the undamaged records of the segment in order.

        Raises:
            LogNotReadable: the path is not a regular file any more.
            OSError: the file can't be read.
        """
        with open_regular(self.path, refusal=LogNotReadable) as file:
            segment = SegmentBytes(file)
            try:
                self.header, end = _read_header(segment)
            except NewerFormat as error:
                self._damage(0, segment.size(), torn=False, reason=str(error))
            except FormatError as error:
                yield from self._salvaged(segment, str(error))
            else:
                search = FrameSearch(segment, self.header.segment_id)
                yield from self._frames(search, end, self.header, self.header.first_sequence)
            self.sha256 = segment.sha256()

    def entries_behind(self, segment_id: bytes, offset: int, expected: int) -> Iterator[Entry]:
        """Yields the undamaged records from an offset on, at which a record begins or the file ends so far.

        Args:
            segment_id: the segment's id, 16 bytes.
            offset: the place in the file, in bytes.
            expected: the number that the record at `offset` must have.

        Raises:
            LogNotReadable: the path is not a regular file any more.
            OSError: the file can't be read.
        """
        with open_regular(self.path, refusal=LogNotReadable) as file:
            search = FrameSearch(SegmentBytes(file), segment_id)
            yield from self._frames(search, offset, pb.SegmentHeader(segment_id=segment_id), expected)

    def _salvaged(self, segment: SegmentBytes, reason: str) -> Iterator[Entry]:
        """Yields the records behind a damaged header, of which only the segment's id could be found."""
        segment_id, expected = find_segment_id(segment), first_sequence(self.path)
        search = FrameSearch(segment, segment_id or b"")
        first = None if segment_id is None else search.find(0, expected)
        if segment_id is None or first is None:
            torn = never_begun(segment)
            self._damage(0, segment.size(), torn=torn, reason="its header was never finished" if torn else reason)
            return
        self._damage(0, first, torn=False, reason=reason)
        yield from self._frames(search, first, pb.SegmentHeader(segment_id=segment_id), expected)

    def _frames(
        self, search: FrameSearch, first: int, header: pb.SegmentHeader, expected: int | None
    ) -> Iterator[Entry]:
        offset: int | None = first
        while offset is not None:
            found = search.next_frame(offset)
            if found is None:
                offset = self._skip(search, offset, expected)
                continue
            frame, end = found
            expected = frame.sequence + 1
            try:
                record = pb.LogRecord.FromString(frame.body)
            except DecodeError:
                self._damage(
                    offset, end - offset, torn=False, reason="the record passes its checksum, but can't be decoded"
                )
            else:
                yield Entry(self.path, offset, frame.sequence, record, header, end)
            offset = end

    def _skip(self, search: FrameSearch, offset: int, expected: int | None) -> int | None:
        """Notes the damage at an offset, and returns where the next frame that checks begins; None if there is none."""
        size = search.segment.size()
        if size <= offset:
            return None
        found = search.find(offset, expected)
        if found != offset:  # equal if a gateway finished the record meanwhile
            end = size if found is None else found
            torn = found is None and search.is_torn(offset, size)
            reason = "the last record was never finished" if torn else "no record passes its checksum here"
            self._damage(offset, end - offset, torn=torn, reason=reason)
        return found

    def _damage(self, offset: int, count: int, *, torn: bool, reason: str) -> None:
        self.damages.append(Damage(self.path, offset, count, torn, reason))


def segments_of(folder: Path) -> list[Segment]:
    """Returns the segments of a log, oldest first; empty if no call was recorded yet.

    Raises:
        LogNotReadable: there is no log in the folder.
    """
    return [Segment(path) for path in segment_paths(folder)]


def read_log(folder: Path) -> Iterator[Entry]:
    """Yields every undamaged record of a log, oldest first, in constant memory."""
    for segment in segments_of(folder):
        yield from segment.entries()


def _read_header(segment: SegmentBytes) -> tuple[pb.SegmentHeader, int]:
    """Returns the header of a segment, and the offset at which it ends."""
    preamble = segment.read(0, PREAMBLE_BYTES)
    length = header_length(preamble)
    # A damaged length may be any number, and these bytes are held in memory, so it is bounded.
    header = decode_header(preamble + segment.read(PREAMBLE_BYTES, min(length, _MOST_HEADER_BYTES)))
    return header, PREAMBLE_BYTES + length
