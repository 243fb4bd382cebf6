"""Reading a log: every undamaged record, in order, and where the damage is. Nothing here ever writes."""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from google.protobuf.message import DecodeError
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.errors import BridgeError
from bridge.prediction_log.frames import (
    FRAME_BYTES,
    FRAME_MAGIC,
    PREAMBLE_BYTES,
    FormatError,
    NewerFormat,
    decode_header,
    decode_preamble,
    frame_checks,
    parse_frame,
)
from bridge.prediction_log.salvage import find_segment_id

__all__ = ["SUFFIX", "Damage", "Entry", "LogNotReadable", "Segment", "read_log", "segments_of"]

SUFFIX = ".sblog"
_SEARCH_BYTES = 1 << 20
_MOST_HEADER_BYTES = 1 << 20
_NAME = re.compile(rf"(\d{{20}})(?:_(\d+))?{re.escape(SUFFIX)}")


class LogNotReadable(BridgeError):
    """There is no log where one was looked for."""

    reason = "LOG_NOT_READABLE"


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
        """Its undamaged records in order."""
        with self.path.open("rb") as file:
            try:
                self.header = _read_header(file, self.path.stat().st_size)
            except NewerFormat as error:
                self._damage(0, self.path.stat().st_size, torn=False, reason=str(error))
            except FormatError as error:
                yield from self._salvaged(file, str(error))
            else:
                yield from self._frames(file, self.header)
            self.sha256 = _sha256(file)

    def _salvaged(self, file: BufferedReader, reason: str) -> Iterator[Entry]:
        """The records behind a damaged header, which has only its id in common with what was written."""
        segment_id = find_segment_id(file)
        first = None if segment_id is None else _search(file, 0, segment_id)
        if segment_id is None or first is None:
            self._damage(0, self.path.stat().st_size, torn=False, reason=reason)
            return
        self._damage(0, first, torn=False, reason=reason)
        file.seek(first)
        yield from self._frames(file, pb.SegmentHeader(segment_id=segment_id))

    def _frames(self, file: BufferedReader, header: pb.SegmentHeader) -> Iterator[Entry]:
        while True:
            offset = file.tell()
            body, sequence = _read_frame(file, header.segment_id)
            if body is None:
                if not self._skip(file, offset, header.segment_id):
                    return
                continue
            try:
                record = pb.LogRecord.FromString(body)
            except DecodeError:
                self._damage(offset, FRAME_BYTES + len(body), torn=False, reason="the record can't be read")
                continue
            yield Entry(self.path, offset, sequence, record, header)

    def _skip(self, file: BufferedReader, offset: int, segment_id: bytes) -> bool:
        """Goes on to the next frame that checks; False at the end of the file."""
        file.seek(offset)
        rest = file.read(FRAME_BYTES)
        if not rest:
            return False
        found = _search(file, offset, segment_id)
        if found == offset:  # it was finished meanwhile: the log is being written
            file.seek(offset)
            return True
        size = self.path.stat().st_size
        end = size if found is None else found
        torn = found is None and _is_torn(rest, size - offset)
        reason = "the last record was never finished" if torn else "no record checks here"
        self._damage(offset, end - offset, torn=torn, reason=reason)
        file.seek(end)
        return found is not None

    def _damage(self, offset: int, count: int, *, torn: bool, reason: str) -> None:
        self.damages.append(Damage(self.path, offset, count, torn, reason))


def segments_of(folder: Path) -> list[Segment]:
    """The segments of a log, oldest first.

    Raises:
        LogNotReadable: the folder is none, or there is no segment in it.
    """
    if not folder.is_dir():
        raise LogNotReadable(f"{folder} is not a folder")
    found = [Segment(path) for path in sorted(folder.glob(f"*{SUFFIX}"), key=_place)]
    if not found:
        raise LogNotReadable(f"there is no segment (*{SUFFIX}) in {folder}")
    return found


def _place(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 0)) if match else (1 << 70, 0)


def read_log(folder: Path) -> Iterator[Entry]:
    """Every undamaged record of a log, oldest first, in constant memory."""
    for segment in segments_of(folder):
        yield from segment.entries()


def _read_header(file: BufferedReader, size: int) -> pb.SegmentHeader:
    preamble = file.read(PREAMBLE_BYTES)
    # A damaged length may say anything, and what is read of it stays in memory.
    return decode_header(preamble + file.read(min(decode_preamble(preamble), size, _MOST_HEADER_BYTES)))


def _read_frame(file: BufferedReader, segment_id: bytes) -> tuple[bytes | None, int]:
    raw = file.read(FRAME_BYTES)
    frame = parse_frame(raw) if len(raw) == FRAME_BYTES else None
    if frame is None:
        return None, 0
    if frame.length > os.fstat(file.fileno()).st_size - file.tell():
        return None, 0  # before so much is read: a damaged length may say anything
    body = file.read(frame.length)
    return (body, frame.sequence) if frame_checks(segment_id, frame, body) else (None, 0)


def _search(file: BufferedReader, offset: int, segment_id: bytes) -> int | None:
    """Where the next frame begins that checks."""
    while True:
        file.seek(offset)
        window = file.read(_SEARCH_BYTES)
        if len(window) < len(FRAME_MAGIC):
            return None
        at = window.find(FRAME_MAGIC)
        while at >= 0:
            file.seek(offset + at)
            if _read_frame(file, segment_id)[0] is not None:
                return offset + at
            at = window.find(FRAME_MAGIC, at + 1)
        offset += len(window) - len(FRAME_MAGIC) + 1


def _is_torn(start: bytes, left: int) -> bool:
    """A frame whose end is missing, or zeros, which is what a file system leaves of bytes that were not synced."""
    if not start.strip(b"\0"):
        return True
    if len(start) < FRAME_BYTES:
        return FRAME_MAGIC.startswith(start[: len(FRAME_MAGIC)])
    frame = parse_frame(start)
    return frame is not None and FRAME_BYTES + frame.length > left


def _sha256(file: BufferedReader) -> bytes:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").digest()
