"""The newest part of a log: as much as is allowed, damage and retention told, and memory that no log fills."""

import os
import shutil
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prediction_logs import DIGEST, NOON, of_messages, record, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.drift.bins import Family
from bridge.drift.measure import measure_recent
from bridge.drift.recent import RecentRecords
from bridge.drift.reference import CountedColumn, Reference
from bridge.drift.shift import Kind
from bridge.drift.versions import Against, VersionTallies
from bridge.prediction_log.folder import LogNotReadable

ALL = 1 << 40
SECOND = 10**9
MIB = 1 << 20


def calls(first: int, count: int) -> list[log_pb.LogRecord]:
    """A call each second."""
    return [record(f"call-{at}", [float(at)], seconds=NOON + at) for at in range(first, first + count)]


def read(recent: RecentRecords) -> list[int]:
    return [int(one.request_id.removeprefix("call-")) for one in recent.records()]


def since(folder: Path, seconds: int = 0, most_bytes: int = ALL) -> RecentRecords:
    return RecentRecords(folder, (NOON + seconds) * SECOND, most_bytes)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three segments of ten calls each, written when their last call came."""
    for place, path in enumerate(write_log(tmp_path / "log", calls(0, 10), calls(10, 10), calls(20, 10))):
        os.utime(path, (NOON + 10 * place + 9.5,) * 2)
    return tmp_path / "log"


def test_all_calls_since_a_time_are_read_in_order(log: Path) -> None:
    recent = since(log, 5)
    assert read(recent) == list(range(5, 30))
    assert recent.whole


def test_segments_from_before_are_not_opened(log: Path) -> None:
    first, *_ = sorted(log.glob("*.sblog"))
    first.write_bytes(b"not to be read")
    os.utime(first, (NOON + 9,) * 2)
    recent = since(log, 10)
    assert read(recent) == list(range(10, 30))
    assert recent.whole


def test_no_more_than_the_newest_bytes_are_read(log: Path) -> None:
    sizes = [path.stat().st_size for path in sorted(log.glob("*.sblog"))]
    recent = since(log, most_bytes=sizes[2] + sizes[1] // 2)
    found = read(recent)
    assert found == list(range(found[0], 30))
    assert 12 < found[0] < 17
    assert recent.first_ns == (NOON + found[0]) * SECOND
    assert not recent.whole
    recent = since(log, most_bytes=sum(sizes[1:]))
    assert read(recent) == list(range(10, 30))
    assert not recent.whole
    recent = since(log, 18, most_bytes=sizes[2] + sizes[1] // 2)
    assert read(recent) == list(range(18, 30))
    assert recent.whole  # what was not read came before
    recent = since(log, most_bytes=10)
    assert read(recent) == []
    assert not recent.whole


def test_a_record_that_is_being_written_is_no_damage(log: Path) -> None:
    last = max(log.glob("*.sblog"))
    last.write_bytes(last.read_bytes()[:-7])
    recent = since(log)
    assert read(recent) == list(range(29))
    assert recent.whole


def test_damage_is_passed_over_and_told(log: Path) -> None:
    first, second, _ = sorted(log.glob("*.sblog"))
    raw = bytearray(first.read_bytes())
    raw[len(raw) // 2] ^= 1
    first.write_bytes(raw)
    second.write_bytes(b"SBLOG of nobody")
    recent = since(log)
    found = read(recent)
    assert len(found) == 19
    assert not recent.whole


def test_a_segment_that_retention_removes_meanwhile_is_told(log: Path) -> None:
    recent = since(log)
    records = recent.records()
    next(records)
    sorted(log.glob("*.sblog"))[1].unlink()
    assert len(list(records)) == 19
    assert not recent.whole


def test_a_copy_of_a_segment_does_not_count_twice(log: Path) -> None:
    shutil.copy(min(log.glob("*.sblog")), log / "copy.sblog")
    assert read(since(log)) == list(range(30))


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogNotReadable, match="there is no prediction log"):
        read(since(tmp_path))


@pytest.mark.parametrize(
    ("most_bytes", "why"),
    [
        (ALL, ""),
        (1 << 11, "only calls since 2026-11-23T12:00Z were read, which are in the newest 2 KiB of the log"),
        (10, "no call is in the newest 10 bytes of the log"),
    ],
)
def test_which_part_was_read_is_told(log: Path, most_bytes: int, why: str) -> None:
    until = datetime.fromtimestamp(NOON + 60, UTC)
    options: dict[str, Any] = {"hours": 24, "most_bytes": most_bytes, "expected": [("risk", 3, DIGEST)]}
    (found,) = measure_recent(log, until, Everywhere(), **options)
    assert (found.whole, found.why.partition("; ")[0]) == (not why, why)
    (found,) = measure_recent(log, until + timedelta(days=1), Everywhere(), **options)
    assert found.why == "no row was answered with a score in this time"


class Ages:
    """A reference of one feature."""

    name, names, rows = "training", ["age"], 1000

    def column(self, name: str, kind: Kind) -> CountedColumn:
        """1,000 different numbers."""
        assert (name, kind) == ("age", "feature")
        return CountedColumn(Family.NUMBERS, np.arange(1000.0), np.ones(1000, np.int64), 0, typed=True)


class Everywhere:
    """That reference, for all versions."""

    def of(self, model: str, version: int, digest: str) -> Against:
        """Each has a version and a digest."""
        assert (model, bool(version), bool(digest)) == ("risk", True, True)
        return Against(Reference(Ages()))


def peak_bytes(one: log_pb.LogRecord, count: int) -> int:
    """The most memory that counting a call so many times takes."""
    tallies = VersionTallies(Everywhere())
    tracemalloc.start()
    try:
        for _ in range(count):
            tallies.add(one)
        tallies.shifts(None, None)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_calls() -> None:
    ages = record("a", np.arange(500.0).tolist())
    assert peak_bytes(ages, 600) < peak_bytes(ages, 60) + MIB / 4
    long = record("b", [1.0])
    request = pb.ScoreRequest.FromString(long.request)
    request.table.columns.add(name="text").strings.values.append("x" * MIB)
    long.request = request.SerializeToString()
    assert peak_bytes(long, 60) < peak_bytes(long, 12) + MIB


def test_the_number_of_versions_and_columns_is_bounded() -> None:
    tallies = VersionTallies(Everywhere())
    for number in range(1, 1_006):
        tallies.add(record(version=number))
    assert tallies.left_out == 5
    assert len(tallies.shifts(None, None)) == 1_000
    tallies = VersionTallies(Everywhere())
    for first in range(0, 17_000, 1_000):
        request = pb.ScoreRequest(model="risk")
        for number in range(first, first + 1_000):
            request.table.columns.add(name=f"x{number}").doubles.values.append(1)
        response = pb.ScoreResponse(model="risk", version=3)
        response.scores.add(name="score").doubles.values.append(1)
        tallies.add(of_messages(request, response))
    (found,) = tallies.shifts(None, None)
    assert len(found.shifts) == 16_384 + 1 + 1
    assert found.why == "calls have more than 16384 different columns, and the further ones don't count"
