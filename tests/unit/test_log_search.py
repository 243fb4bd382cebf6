"""A damaged record full of what looks like frames: the reader's work stays in proportion to the file."""

import struct
from pathlib import Path

import pytest
from prediction_logs import frames, header
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.prediction_log import search
from bridge.prediction_log.frames import FRAME_BYTES, FRAME_MAGIC, Frame, encode_preamble, frame_checks
from bridge.prediction_log.reader import Segment

HEAD = header(1)
CLAIMED_BYTES = (1 << 20, 30_000)  # the small ones use up what the big ones leave
BAIT = 2  # the record that is damaged
RECORDS = 60


def bait(sequence: int) -> pb.LogRecord:
    """What a caller can send: starts of frames that claim long bodies."""
    starts = [FRAME_MAGIC + struct.pack("<IQI", length, sequence, 0) for length in CLAIMED_BYTES]
    return pb.LogRecord(request=b"".join(start * 2000 for start in starts))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each body that was read to be checked."""
    lengths: list[int] = []

    def count(segment_id: bytes, frame: Frame, body: bytes) -> bool:
        lengths.append(len(body))
        return frame_checks(segment_id, frame, body)

    monkeypatch.setattr(search, "frame_checks", count)
    return lengths


def damaged(path: Path, bait_sequence: int) -> Segment:
    """A segment of 3 MB whose third record is the bait, with one bit of it flipped."""
    records = [pb.LogRecord(request=bytes([number]) * 50_000) for number in range(RECORDS)]
    records[BAIT] = bait(bait_sequence)
    parts = [bytearray(part) for part in [encode_preamble(HEAD), *frames(HEAD, records)]]
    parts[1 + BAIT][FRAME_BYTES + 10] ^= 1
    path.write_bytes(b"".join(parts))
    return Segment(path)


@pytest.mark.parametrize("sequence", [0, 1 << 40])
def test_starts_of_frames_whose_number_is_not_due_hide_no_record(
    tmp_path: Path, checked: list[int], sequence: int
) -> None:
    segment = damaged(tmp_path / f"{0:020d}.sblog", sequence)
    assert [entry.sequence for entry in segment.entries()] == [one for one in range(RECORDS) if one != BAIT]
    assert [damage.torn for damage in segment.damages] == [False]
    assert sum(checked) < 4 * segment.path.stat().st_size


def test_starts_of_frames_whose_number_is_due_hide_a_neighbour_at_most(tmp_path: Path, checked: list[int]) -> None:
    segment = damaged(tmp_path / f"{0:020d}.sblog", BAIT + 1)
    found = [entry.sequence for entry in segment.entries()]
    assert set(range(RECORDS)) - set(found) <= {BAIT, BAIT + 1}
    assert sum(checked) < 4 * segment.path.stat().st_size


def test_a_record_behind_a_hole_that_took_many_is_found(tmp_path: Path) -> None:
    parts = frames(HEAD, [pb.LogRecord(request_id=f"call-{number}") for number in range(100)])
    path = tmp_path / f"{0:020d}.sblog"
    path.write_bytes(encode_preamble(HEAD) + b"".join(parts[:3]) + parts[3][:10] + b"".join(parts[90:]))
    assert [entry.sequence for entry in Segment(path).entries()] == [0, 1, 2, *range(90, 100)]
