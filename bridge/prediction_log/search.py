"""The frames in an open segment: the one that is due, and the next one behind damage, found in linear work."""

import os
from collections import Counter
from io import BufferedReader

from bridge.prediction_log.frames import FRAME_BYTES, FRAME_MAGIC, Frame, frame_checks, parse_frame

__all__ = ["FrameSearch"]

_WINDOW_BYTES = 1 << 20
_EARNED = 4


class FrameSearch:
    """Reads frames that check under the id of their segment.

    What a caller sent may hold any number of starts of frames, each of which claims a long body. Those that don't check
    may cost as many bytes as the file has, and `_EARNED` more for each byte that is behind the reader; beyond that they
    are passed over unread. Starts whose number can't be the next one have an allowance of their own: only a caller who
    guesses the numbers of records can use up the other one, and a damaged record of theirs then hides its neighbours.

    Args:
        file: the segment; its position is the reader's.
        segment_id: of the segment.
    """

    def __init__(self, file: BufferedReader, segment_id: bytes) -> None:
        self.file = file
        self._id = segment_id
        self._wasted: Counter[bool] = Counter()

    def size(self) -> int:
        """Of the file by now, bytes."""
        return os.fstat(self.file.fileno()).st_size

    def read(self) -> tuple[int, bytes] | None:
        """The number and the body of the frame at the position; None if none checks there."""
        frame = self._start()
        body = b"" if frame is None else self.file.read(frame.length)
        return (frame.sequence, body) if frame is not None and frame_checks(self._id, frame, body) else None

    def find(self, offset: int, expected: int | None) -> int | None:
        """Where the next frame begins that checks; None if there is none.

        Args:
            offset: from where on.
            expected: the number of the record that is due there; None if nobody knows.
        """
        start = offset
        while True:
            self.file.seek(start)
            window = self.file.read(_WINDOW_BYTES)
            if len(window) < len(FRAME_MAGIC):
                return None
            at = window.find(FRAME_MAGIC)
            while at >= 0:
                if self._checks(start + at, start + at - offset, expected):
                    return start + at
                at = window.find(FRAME_MAGIC, at + 1)
            start += len(window) - len(FRAME_MAGIC) + 1

    def is_torn(self, offset: int, end: int) -> bool:
        """What stands from `offset` to the end of the file was begun and never finished.

        Its end is missing, or it is zeros, which is what a file system leaves of bytes that were not synced. A frame
        whose end is there, as it checks up to the end of the file, has a damaged length.
        """
        self.file.seek(offset)
        start = self.file.read(min(FRAME_BYTES, end - offset))
        if not start.strip(b"\0"):
            return True
        if len(start) < FRAME_BYTES:
            return FRAME_MAGIC.startswith(start[: len(FRAME_MAGIC)])
        frame, left = parse_frame(start), end - offset - FRAME_BYTES
        if frame is None or frame.length <= left:
            return False
        return not frame_checks(self._id, frame._replace(length=left), self.file.read(left))

    def _checks(self, at: int, skipped: int, expected: int | None) -> bool:
        self.file.seek(at)
        frame = self._start()
        if frame is None:
            return False
        # Only as many records are missing as there was room for in what was skipped.
        due = expected is None or 0 <= frame.sequence - expected <= skipped // FRAME_BYTES
        if self._wasted[due] + frame.length > self.size() + _EARNED * at:
            return False
        checks = frame_checks(self._id, frame, self.file.read(frame.length))
        if not checks:
            self._wasted[due] += frame.length
        return checks

    def _start(self) -> Frame | None:
        """The start of a frame here, if the file holds as much as it claims: a damaged length may say anything."""
        raw = self.file.read(FRAME_BYTES)
        frame = parse_frame(raw) if len(raw) == FRAME_BYTES else None
        return None if frame is None or frame.length > self.size() - self.file.tell() else frame
