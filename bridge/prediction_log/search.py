"""Reads frames of an open segment: the one at an offset, and the next one behind damage, in linear work.

A worked example, which is also a test. A frame is 20 bytes that say what it holds (magic, length, number, checksum),
and a body. This segment has 240 bytes: a header up to byte 60, then three frames with bodies of 40 bytes. One bit is
flipped in the body of record 8. Whoever sent that record put two starts of frames into it:

    60   record 7
    120  record 8, damaged
    140      caller's bytes that look like record 9 with a body of 60 bytes
    160      caller's bytes that look like record 1000 with a body of 30 bytes
    180  record 9

`next_frame(60)` is record 7, and ends at 120. `next_frame(120)` is None, so the reader asks `find(120, expected=8)`,
which tries each place where the magic stands:

    at   skipped  claims          due there  failed so far + claim  allowance          so
    120        0  8, 40 bytes     8           0 + 40, due           240 + 4*120 = 720  read: does not check
    140       20  9, 60 bytes     8 to 9     40 + 60, due           240 + 4*140 = 800  read: does not check
    160       40  1000, 30 bytes  8 to 10     0 + 30, not due       240 + 4*160 = 880  read: does not check
    180       60  9, 40 bytes     8 to 11   100 + 40, due           240 + 4*180 = 960  read: checks, found

What is due: records can only be missing where bytes were skipped, one for each 20 bytes at most. The first place may
have record 8 and no other; 60 bytes on, three may be missing, so 8 to 11. Record 1000 can't be there.

Why the work is linear: a caller's record of 1 MB has room for 50,000 starts that each claim 1 MB, which is 50 GB to
read. What did not check counts against an allowance: the size of the file, and 4 bytes more for each byte before the
place. A start that would go beyond it is passed over unread. So a whole file costs five times its size at most, and as
much again for starts that are not due, which are counted apart: a caller who doesn't know the numbers of records uses
up nothing that the real frame behind them needs. One who does know them can hide the neighbours of a damaged record.
"""

from collections import Counter

from bridge.prediction_log.frames import FRAME_BYTES, FRAME_MAGIC, Frame, FrameStart, frame_checks, parse_start
from bridge.prediction_log.segment_bytes import SegmentBytes

__all__ = ["FrameSearch"]

_WINDOW_BYTES = 1 << 20
_EARNED = 4


class FrameSearch:
    """Reads the frames of a segment that check under its id, at any offset and in any order.

    One bound holds for the work of all searches of one object together: see the worked example of this module.

    Args:
        segment: the open segment.
        segment_id: the segment's id from its header, 16 bytes.
    """

    def __init__(self, segment: SegmentBytes, segment_id: bytes) -> None:
        self.segment = segment
        self._id = segment_id
        self._wasted: Counter[bool] = Counter()  # bytes that were read and did not check, by whether they were due

    def next_frame(self, offset: int) -> tuple[Frame, int] | None:
        """Returns the frame that begins at an offset, and the offset at which it ends; None if none checks there.

        Args:
            offset: the place in the file, in bytes.

        Raises:
            OSError: the file can't be read.
        """
        start = self._start(offset)
        if start is None:
            return None
        body = self._body(offset, start)
        return (Frame(start.sequence, body), offset + FRAME_BYTES + len(body)) if self._checks(start, body) else None

    def find(self, offset: int, expected: int | None) -> int | None:
        """Returns the offset of the next frame that checks, at `offset` or behind it; None if there is none.

        Args:
            offset: the place in the file to begin at, in bytes.
            expected: the number that the record at `offset` must have; None if it is not known.

        Raises:
            OSError: the file can't be read.
        """
        first = offset
        while True:
            window = self.segment.read(first, _WINDOW_BYTES)
            if len(window) < len(FRAME_MAGIC):
                return None
            at = window.find(FRAME_MAGIC)
            while at >= 0:
                if self._is_frame(first + at, first + at - offset, expected):
                    return first + at
                at = window.find(FRAME_MAGIC, at + 1)
            first += len(window) - len(FRAME_MAGIC) + 1  # a magic may stand across two windows

    def is_torn(self, offset: int, end: int) -> bool:
        """Whether the bytes from an offset to the end of the file are a frame that was begun and never finished.

        Then the end of the frame is missing, or the bytes are zeros, which a file system leaves where bytes were not
        synced. A frame that checks with the length that is left of the file is not torn: its length is damaged.

        Args:
            offset: the place in the file, in bytes.
            end: the size of the file, in bytes.

        Raises:
            OSError: the file can't be read.
        """
        raw = self.segment.read(offset, min(FRAME_BYTES, end - offset))
        if not raw.strip(b"\0"):
            return True
        if len(raw) < FRAME_BYTES:
            return FRAME_MAGIC.startswith(raw[: len(FRAME_MAGIC)])
        start, left = parse_start(raw), end - offset - FRAME_BYTES
        if start is None or start.length <= left:
            return False
        cut = start._replace(length=left)
        return not self._checks(cut, self._body(offset, cut))

    def _is_frame(self, at: int, skipped: int, expected: int | None) -> bool:
        """Whether a frame that checks begins here; reads no body that the allowance of the worked example forbids."""
        start = self._start(at)
        if start is None:
            return False
        due = expected is None or 0 <= start.sequence - expected <= skipped // FRAME_BYTES
        if self._wasted[due] + start.length > self.segment.size() + _EARNED * at:
            return False
        checks = self._checks(start, self._body(at, start))
        if not checks:
            self._wasted[due] += start.length
        return checks

    def _start(self, offset: int) -> FrameStart | None:
        """Returns the start of a frame here; None if there is none, or the file is shorter than its length claims."""
        raw = self.segment.read(offset, FRAME_BYTES)
        start = parse_start(raw) if len(raw) == FRAME_BYTES else None
        return None if start is None or start.length > self.segment.size() - offset - FRAME_BYTES else start

    def _body(self, offset: int, start: FrameStart) -> bytes:
        return self.segment.read(offset + FRAME_BYTES, start.length)

    def _checks(self, start: FrameStart, body: bytes) -> bool:
        return frame_checks(self._id, start, body)
