"""Frames are read by offset; behind a damaged record full of what looks like frames, the work stays linear."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from prediction_logs import frames, header
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.prediction_log import search
from bridge.prediction_log.frames import (
    FRAME_BYTES,
    FRAME_MAGIC,
    Frame,
    FrameStart,
    encode_frame,
    encode_preamble,
    frame_checks,
)
from bridge.prediction_log.reader import Segment
from bridge.prediction_log.search import FrameSearch
from bridge.prediction_log.segment_bytes import SegmentBytes

HEAD = header(1)
CLAIMED_BYTES = (1 << 20, 30_000)  # the small ones use up what the big ones leave
BAIT = 2  # the record that is damaged
RECORDS = 60


def claim(sequence: int, length: int) -> bytes:
    """What a caller can send: the start of a frame, with no body that checks."""
    return FRAME_MAGIC + struct.pack("<IQI", length, sequence, 0)


def bait(sequence: int) -> pb.LogRecord:
    """A call whose request is starts of frames that claim long bodies."""
    return pb.LogRecord(request=b"".join(claim(sequence, length) * 2000 for length in CLAIMED_BYTES))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each body that was read to be checked."""
    lengths: list[int] = []

    def count(segment_id: bytes, start: FrameStart, body: bytes) -> bool:
        lengths.append(len(body))
        return frame_checks(segment_id, start, body)

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


@pytest.fixture
def example(tmp_path: Path) -> Iterator[FrameSearch]:
    """The worked example of the module."""
    bodies = {7: b"7" * 40, 8: claim(9, 60) + claim(1000, 30), 9: b"9" * 40}
    seven, eight, nine = (encode_frame(HEAD.segment_id, sequence, body) for sequence, body in bodies.items())
    flipped = eight[:-1] + bytes([eight[-1] ^ 1])
    path = tmp_path / f"{7:020d}.sblog"
    path.write_bytes(b"\0" * 60 + seven + flipped + nine)
    with path.open("rb") as file:
        yield FrameSearch(SegmentBytes(file), HEAD.segment_id)


def test_the_worked_example_goes_as_it_is_told(example: FrameSearch, checked: list[int]) -> None:
    assert example.segment.size() == 240
    assert example.next_frame(60) == (Frame(7, b"7" * 40), 120)
    assert example.next_frame(120) is None
    checked.clear()
    assert example.find(120, expected=8) == 180
    assert checked == [40, 60, 30, 40]
    assert example.next_frame(180) == (Frame(9, b"9" * 40), 240)


@pytest.mark.parametrize(
    ("expected", "found"), [(5, None), (6, 180), (7, 180), (8, 180), (9, 180), (10, None), (None, 180)]
)
def test_three_records_at_most_are_missing_where_60_bytes_were_skipped(
    example: FrameSearch, expected: int | None, found: int | None
) -> None:
    example._wasted[False] = 1 << 40  # nothing is left for what is not due
    assert example.find(120, expected) == found


@pytest.mark.parametrize("order", [[60, 180, 120, 60], [180, 60], [240, 60, 1000, 0, 61, 180]])
def test_frames_are_read_at_any_offset_in_any_order(example: FrameSearch, order: list[int]) -> None:
    ends = {offset: found and found[1] for offset in order for found in [example.next_frame(offset)]}
    assert ends == {offset: {60: 120, 180: 240}.get(offset) for offset in order}


def test_two_searches_of_one_file_do_not_disturb_each_other(example: FrameSearch) -> None:
    other = FrameSearch(example.segment, HEAD.segment_id)
    assert example.next_frame(60) == other.next_frame(60)
    assert other.find(120, None) == 180
    assert example.next_frame(180) == (Frame(9, b"9" * 40), 240)
    assert len(example.segment.sha256()) == 32
    assert other.next_frame(60) == (Frame(7, b"7" * 40), 120)


@pytest.mark.parametrize("shift", range(-4, 2))
def test_a_frame_that_begins_at_the_end_of_a_window_is_found(tmp_path: Path, shift: int) -> None:
    first = search._WINDOW_BYTES + shift
    path = tmp_path / "segment"
    path.write_bytes(b"\0" * first + encode_frame(HEAD.segment_id, 3, b"a body"))
    with path.open("rb") as file:
        assert FrameSearch(SegmentBytes(file), HEAD.segment_id).find(0, None) == first


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
