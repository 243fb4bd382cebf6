"""reconcile --client-defaults: lines of any kind, and ids that come more than once."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from logged import run, said
from prediction_logs import fail_rows, of_messages, record, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

GOOD = b'{"time": "now", "request_id": "call", "model": "risk", "rows": 4, "reason": "DEADLINE", "default_score": 1}'


def cancelled() -> log_pb.LogRecord:
    made = of_messages(pb.ScoreRequest(request_id="call", model="risk"), None)
    made.status, made.error_reason = 1, ""
    return made


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.csv"
    path.write_text("row_key,score\n1,0\n")
    return path


@pytest.mark.parametrize(
    "line",
    [
        b'{"request_id": "call", "rows": 1, "time": 5}',
        b'{"request_id": "call", "rows": 1, "default_score": "high"}',
        b'{"request_id": "call", "rows": 1, "model": ["risk"]}',
        b'{"request_id": "call", "rows": 9223372036854775808}',
        b'{"request_id": "call", "rows": -1}',
        b'{"request_id": "call", "rows": true}',
        b'{"request_id": "\\ud800", "rows": 1}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_line_of_another_kind_is_counted_and_passed_over(tmp_path: Path, other: Path, line: bytes) -> None:
    write_log(tmp_path / "log", [record("call")])
    file, output = tmp_path / "defaults.jsonl", tmp_path / "out"
    file.write_bytes(GOOD + b"\n" + line + b"\n")
    result = run(tmp_path / "log", "--against", other, "--client-defaults", file, "--output", output)
    assert result.exit_code == 2, "no row was compared"
    assert "client defaults: 1 calls with 4 rows; by the log 1 answered; 1 lines can't be read" in said(result)
    (found,) = pq.read_table(output / "client_defaults.parquet").to_pylist()
    assert (found["rows"], found["default_score"], found["time"]) == (4, 1.0, "now")


@pytest.mark.parametrize("ages", [([1.0], [1.0, 2.0, 3.0, 4.0]), ([1.0, 2.0, 3.0, 4.0], [1.0])])
def test_of_calls_with_one_id_the_last_that_was_answered_counts(
    tmp_path: Path, other: Path, ages: tuple[list[float], list[float]]
) -> None:
    write_log(tmp_path / "log", [record("call", ages[0]), record("call", ages[1]), cancelled()])
    file, output = tmp_path / "defaults.jsonl", tmp_path / "out"
    file.write_bytes(GOOD)
    result = run(tmp_path / "log", "--against", other, "--client-defaults", file, "--output", output)
    assert "by the log 1 answered" in said(result)
    (found,) = pq.read_table(output / "client_defaults.parquet").to_pylist()
    assert (found["gateway"], found["sequence"]) == ("answered", 1)
    assert found["logged"] == [age / 100 for age in ages[1]]


def test_a_call_that_was_answered_in_part_is_said_to_be(tmp_path: Path, other: Path) -> None:
    write_log(tmp_path / "log", [fail_rows(record("call", [1.0, 2.0]), 1, 1, pb.DEFAULT_REASON_MODEL_ERROR)])
    file = tmp_path / "defaults.jsonl"
    file.write_bytes(GOOD)
    result = run(tmp_path / "log", "--against", other, "--client-defaults", file)
    assert "by the log 1 answered in part" in said(result)
