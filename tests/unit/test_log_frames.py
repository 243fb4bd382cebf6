"""A damaged segment: never an exception, never a wrong record, never an undamaged record lost."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prediction_logs import frames, header, record
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.prediction_log.frames import (
    FRAME_BYTES,
    FRAME_MAGIC,
    ID_BYTES,
    ID_OFFSET,
    encode_frame,
    encode_preamble,
)
from bridge.prediction_log.reader import Segment

HEAD = header(1)
OTHER = header(2)
# One of them holds whole frames: those of another segment, and one with a made-up checksum.
BAIT = frames(OTHER, [record("bait")])[0] + FRAME_MAGIC * 3 + encode_frame(b"", 1, b"bait")
RECORDS = [
    record("a", [1.0]),
    pb.LogRecord(),
    pb.LogRecord(request=BAIT, request_id="holds frames"),
    record("b", [float(row) for row in range(50)]),
    record("c", []),
]
PREAMBLE = encode_preamble(HEAD)
VERSION = slice(8, 10)
FRAMES = frames(HEAD, RECORDS)
WHOLE = PREAMBLE + b"".join(FRAMES)

BYTES = st.one_of(st.binary(min_size=1, max_size=64), st.just(b"\0" * 64), st.just(FRAME_MAGIC), st.just(BAIT))


@st.composite
def damaged(draw: st.DrawFn, start: int) -> bytes:
    """The segment after a few accidents behind `start`."""
    raw = WHOLE
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["flip", "write", "insert", "cut out", "cut off"]))
        at = draw(st.integers(min(start, len(raw)), len(raw)))
        if kind == "flip" and at < len(raw):
            raw = raw[:at] + bytes([raw[at] ^ 1 << draw(st.integers(0, 7))]) + raw[at + 1 :]
        elif kind == "write":
            new = draw(BYTES)
            raw = raw[:at] + new + raw[at + len(new) :]
        elif kind == "insert":
            raw = raw[:at] + draw(BYTES) + raw[at:]
        elif kind == "cut out":
            raw = raw[:at] + raw[at + draw(st.integers(1, 100)) :]
        else:
            raw = raw[:at]
    return raw


def read(raw: bytes) -> tuple[dict[int, pb.LogRecord], Segment]:
    with tempfile.TemporaryDirectory() as folder:
        segment = Segment(Path(folder) / f"{0:020d}.sblog")
        segment.path.write_bytes(raw)
        entries = list(segment.entries())
        assert segment.path.read_bytes() == raw
    for entry in entries:
        assert raw[entry.offset :].startswith(FRAMES[entry.sequence])
    assert len({entry.sequence for entry in entries}) == len(entries)
    return {entry.sequence: entry.record for entry in entries}, segment


def test_an_undamaged_segment_is_read_whole() -> None:
    found, segment = read(WHOLE)
    assert found == dict(enumerate(RECORDS))
    assert segment.damages == []


@settings(max_examples=400, deadline=None)
@given(damaged(len(PREAMBLE)))
def test_what_is_undamaged_is_read_and_nothing_else(raw: bytes) -> None:
    found, segment = read(raw)
    assert found == {number: RECORDS[number] for number, frame in enumerate(FRAMES) if frame in raw}
    records = sum(FRAME_BYTES + len(FRAMES[number][FRAME_BYTES:]) for number in found)
    assert len(PREAMBLE) + records + sum(damage.count for damage in segment.damages) == len(raw)


@settings(max_examples=300, deadline=None)
@given(damaged(0))
def test_damage_anywhere_gives_no_wrong_record(raw: bytes) -> None:
    found, segment = read(raw)
    assert all(RECORDS[number] == one for number, one in found.items())
    whole = {number for number, frame in enumerate(FRAMES) if frame in raw}
    place = slice(ID_OFFSET, ID_OFFSET + ID_BYTES)
    # As good as a newer format, unless the header still checks as one of ours.
    newer = raw[:8] == PREAMBLE[:8] and int.from_bytes(raw[VERSION], "little") > 1
    newer = newer and not raw[VERSION.stop :].startswith(PREAMBLE[VERSION.stop :])
    if raw[place] == PREAMBLE[place] and not newer:
        assert set(found) == whole
    if not raw.startswith(PREAMBLE):
        assert segment.damages[0].offset == 0
    header_bytes = len(PREAMBLE) if raw.startswith(PREAMBLE) else 0
    records = sum(len(FRAMES[number]) for number in found)
    assert header_bytes + records + sum(damage.count for damage in segment.damages) == len(raw)


def test_a_flipped_bit_anywhere_in_the_header_costs_no_record() -> None:
    for bit in range(8 * len(PREAMBLE)):
        raw = bytearray(WHOLE)
        raw[bit // 8] ^= 1 << bit % 8
        found, segment = read(bytes(raw))
        assert found == dict(enumerate(RECORDS)), bit
        assert segment.header is None
        assert [(damage.offset, damage.count) for damage in segment.damages] == [(0, len(PREAMBLE))]


@given(st.binary(max_size=300))
def test_any_file_at_all_can_be_read(raw: bytes) -> None:
    found, segment = read(raw)
    assert found == {}
    assert [damage.count for damage in segment.damages] == [len(raw)]


def test_every_bit_of_a_record_counts() -> None:
    start = len(PREAMBLE) + len(FRAMES[0])
    for bit in range(8 * len(FRAMES[1])):
        raw = bytearray(WHOLE)
        raw[start + bit // 8] ^= 1 << bit % 8
        found, segment = read(bytes(raw))
        assert sorted(found) == [0, 2, 3, 4]
        assert [(damage.offset, damage.torn) for damage in segment.damages] == [(start, False)]


def test_a_damaged_length_at_the_end_is_damage_and_not_torn() -> None:
    whole = PREAMBLE + FRAMES[3]
    for bit in range(32):
        raw = bytearray(whole)
        raw[len(PREAMBLE) + len(FRAME_MAGIC) + bit // 8] ^= 1 << bit % 8
        found, segment = read(bytes(raw))
        assert found == {}
        assert [(damage.offset, damage.torn) for damage in segment.damages] == [(len(PREAMBLE), False)], bit


def test_a_cut_anywhere_leaves_the_records_before_it_and_says_that_it_is_torn() -> None:
    ends = [len(PREAMBLE) + sum(map(len, FRAMES[:count])) for count in range(len(FRAMES) + 1)]
    for cut in range(len(PREAMBLE), len(WHOLE)):
        found, segment = read(WHOLE[:cut])
        assert sorted(found) == list(range(sum(end <= cut for end in ends[1:])))
        assert all(damage.torn for damage in segment.damages)
        assert bool(segment.damages) is (cut not in ends)
