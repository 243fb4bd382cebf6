"""Segments whose header can't be read: finds the id under which their frames check, or that they were never begun."""

from collections.abc import Iterator

from bridge.prediction_log.frames import (
    FRAME_BYTES,
    FRAME_MAGIC,
    ID_BYTES,
    ID_OFFSET,
    FrameStart,
    frame_checks,
    is_cut_preamble,
    parse_start,
)
from bridge.prediction_log.segment_bytes import SegmentBytes

__all__ = ["find_segment_id", "never_begun"]

_SEARCH_BYTES = 64 << 20
_MOST_FRAMES = 16
_MOST_BODY_BYTES = 4 << 20
_MOST_BEGUN_BYTES = 1 << 20


def find_segment_id(segment: SegmentBytes) -> bytes | None:
    """Finds the id under which a frame of this segment checks; None if there is none.

    Tries the 16 bytes at the place of the id, and the same bytes with any one bit flipped, on the first 16 places that
    look like a frame. So a file that is not a segment costs little.
    """
    raw = segment.read(0, _SEARCH_BYTES)
    written = raw[ID_OFFSET : ID_OFFSET + ID_BYTES]
    if len(written) < ID_BYTES:
        return None
    for start, body in _first_frames(raw):
        for candidate in _candidates(written):
            if frame_checks(candidate, start, body):
                return candidate
    return None


def never_begun(segment: SegmentBytes) -> bool:
    """Whether this segment ends before its header does, because the gateway was killed or lost power."""
    raw = segment.read(0, _MOST_BEGUN_BYTES + 1)
    if len(raw) > _MOST_BEGUN_BYTES or FRAME_MAGIC in raw:
        return False
    return not raw.strip(b"\0") or is_cut_preamble(raw)


def _first_frames(raw: bytes) -> Iterator[tuple[FrameStart, bytes]]:
    at, tried = raw.find(FRAME_MAGIC), 0
    while 0 <= at <= len(raw) - FRAME_BYTES and tried < _MOST_FRAMES:
        start = parse_start(memoryview(raw)[at : at + FRAME_BYTES])
        body = at + FRAME_BYTES
        if start is not None and start.length <= min(len(raw) - body, _MOST_BODY_BYTES):
            yield start, raw[body : body + start.length]
            tried += 1
        at = raw.find(FRAME_MAGIC, at + 1)


def _candidates(written: bytes) -> Iterator[bytes]:
    yield written
    number = int.from_bytes(written)
    for bit in range(8 * ID_BYTES):
        yield (number ^ 1 << bit).to_bytes(ID_BYTES)
