"""What reconcile says and leaves behind: whole, harmless, for its owner alone, and with the right exit code."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from logged import run, said
from prediction_logs import NOON, default_rows, fail_rows, of_messages, record, write_log
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner

from bridge.cli import reconcile as reconcile_command
from bridge.cli.app import app
from bridge.prediction_log.selection import Selection
from bridge.reconcile import report
from bridge.reconcile.client_defaults import ClientDefaults
from bridge.reconcile.run import Options, reconcile_log
from bridge.reconcile.spool import VersionKey
from bridge.reconcile.summary import Summary, VersionSummary

LONG = "m" * 63


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Scores for the key "k"; calls of `record` have no keys."""
    path = tmp_path / "other.csv"
    path.write_text("row_key,score\nk,0.4\n")
    return path


def test_nothing_is_cut_however_narrow_the_terminal(tmp_path: Path, other: Path) -> None:
    write_log(tmp_path / "log", [record(model=LONG)])
    result = CliRunner().invoke(
        app, ["reconcile", str(tmp_path / "log"), "--against", str(other)], env={"COLUMNS": "40"}
    )
    assert "…" not in result.output
    heading, row = result.output.splitlines()[:2]
    assert heading.split() == ["version", "calls", "rows", "equal", "different", "largest", "difference", "defaulted"]
    assert row.split() == [f"{LONG}/3", "1", "0", "0", "0", "0", "0"]


def test_what_callers_and_models_wrote_moves_no_cursor() -> None:
    version = VersionSummary(VersionKey("risk", 3, ""), calls=1)
    version.failures["\x1b[31mred\n\u202e"] += 1
    version.failures.update({"a": 3, "b": 3, "c": 1})
    lines = Summary([version]).lines()
    assert all(line.isprintable() for line in lines)
    assert "risk/3: rows that could not be re-scored: 1 (\\x1b[31mred\\n\\u202e)" in lines
    assert "risk/3: rows that could not be re-scored: 1 (for other reasons)" in lines


def test_calls_that_were_refused_before_their_version_was_known_make_no_other(tmp_path: Path, other: Path) -> None:
    refused, late = (of_messages(pb.ScoreRequest(request_id=one, model="risk"), None) for one in ("early", "late"))
    refused.digest = ""
    late.status = 1
    write_log(tmp_path / "log", [refused, record(), late])
    summary = reconcile_log(Options(tmp_path / "log", None, against=other))
    assert [str(version.key) for version in summary.versions] == ["risk/3"]
    assert [(one.calls, one.failed, one.cancelled) for one in summary.versions] == [(1, 1, 1)]


def test_a_version_that_answered_nothing_has_a_line(tmp_path: Path, other: Path) -> None:
    write_log(tmp_path / "log", [of_messages(pb.ScoreRequest(request_id="refused", model="risk"), None)])
    summary = reconcile_log(Options(tmp_path / "log", None, against=other))
    assert [(str(one.key), one.calls, one.failed) for one in summary.versions] == [("risk/3", 0, 1)]
    assert summary.exit_code == 0


def test_a_model_may_be_asked_for_with_its_version_and_times_as_in_the_log_commands(
    tmp_path: Path, other: Path
) -> None:
    log = tmp_path / "log"
    write_log(log, [record(version=3), record(version=4, seconds=NOON + 60), record(model="forest")])
    summary = reconcile_log(Options(log, None, Selection.parse(model="risk/4"), against=other))
    assert [str(version.key) for version in summary.versions] == ["risk/4"]
    result = run(log, "--against", other, "--since", "2026-11-23T12:01+00:00", "--model", "risk")
    assert "risk/4" in result.output
    assert "risk/3" not in result.output
    result = run(log, "--against", other, "--since", "yesterday")
    assert (result.exit_code, said(result)) == (
        2,
        "--since yesterday: not an ISO 8601 date or time, such as 2026-11-24 or 2026-11-24T09:30",
    )


def test_segments_that_retention_takes_meanwhile_are_said(
    tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_log(tmp_path / "log", [record("a")], [record("b")], [record("c")])
    monkeypatch.setattr(ClientDefaults, "see", lambda _, __: paths[1].unlink(missing_ok=True))
    summary = reconcile_log(Options(tmp_path / "log", None, against=other))
    assert summary.versions[0].calls == 2
    assert "1 segments were removed while the log was being read" in summary.lines()


def test_what_is_written_is_its_owners_only(tmp_path: Path, other: Path) -> None:
    write_log(tmp_path / "log", [record()])
    output, defaults = tmp_path / "out", tmp_path / "defaults.jsonl"
    defaults.write_text('{"request_id": "call-1", "rows": 2}\n')
    previous = os.umask(0)
    try:
        for _ in range(2):
            run(tmp_path / "log", "--against", other, "--output", output, "--client-defaults", defaults)
    finally:
        os.umask(previous)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (output, *output.iterdir())}
    files = ("report.html", "differences.parquet", "defaulted.parquet", "client_defaults.parquet")
    assert modes == {"out": 0o700} | dict.fromkeys(files, 0o600)


def test_what_nobody_expected_is_no_difference(
    tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Options) -> Summary:
        raise KeyError("age 40")

    monkeypatch.setattr(reconcile_command, "reconcile_log", fail)
    result = run(tmp_path / "log", "--against", other)
    assert result.exit_code == 2
    assert said(result) == "reconcile failed because of a bug in scorebridge (KeyError): please report it"
    assert "Traceback" in caplog.text


def test_a_reader_that_leaves_is_no_difference(tmp_path: Path, other: Path) -> None:
    write_log(tmp_path / "log", [record()])
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "bridge", "reconcile", str(tmp_path / "log"), "--against", str(other)]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (2, "")


@pytest.mark.parametrize(
    "scores",
    [(0.1, np.nextafter(0.1, 1)), (0.5, 0.5), (0.0, 5e-324), (1e20, np.nextafter(1e20, 1e21)), (-3.0, 4.0)],
)
def test_bins_hold_scores_that_lie_as_close_as_can_be(scores: tuple[float, float]) -> None:
    edges = report._edges(np.array([scores]))
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= min(scores) <= max(scores) <= edges[-1]


def test_a_report_of_defaults_alone_has_nothing_empty(tmp_path: Path, other: Path) -> None:
    write_log(tmp_path / "log", [default_rows(record(), 0, 2, pb.DEFAULT_REASON_MODEL_NOT_READY)])
    result = run(tmp_path / "log", "--against", other, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "there is no row to be compared" in said(result)
    page = (tmp_path / "out" / "report.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == ["Over time"]


def test_a_row_without_a_score_is_no_difference_from_what_another_file_has(tmp_path: Path) -> None:
    made = fail_rows(record("a", [40.0, 41.0]), 1, 1, pb.DEFAULT_REASON_MODEL_ERROR)
    request = pb.ScoreRequest.FromString(made.request)
    request.row_keys.extend(["k", "l"])
    made.request = request.SerializeToString()
    write_log(tmp_path / "log", [made])
    (tmp_path / "other.csv").write_text("row_key,score\nk,0.4\nl,0.41\n")
    result = run(tmp_path / "log", "--against", tmp_path / "other.csv", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "all 1 rows are equal" in said(result)
    assert "risk/3: rows that were answered without a score: 1" in said(result)
    assert "0 of its 2 keys are not in the log" in said(result)
    (line,) = pq.read_table(tmp_path / "out" / "defaulted.parquet").to_pylist()
    assert (line["row_key"], line["reason"], line["logged"], line["rescored"]) == ("l", "MODEL_ERROR", None, 0.41)


def test_rows_of_a_version_that_is_gone_are_counted(tmp_path: Path, repository: Path) -> None:
    made = default_rows(record("a", [40.0] * 4), 0, 1, pb.DEFAULT_REASON_DEADLINE)
    write_log(tmp_path / "log", [fail_rows(made, 1, 2, pb.DEFAULT_REASON_MODEL_ERROR)])
    summary = reconcile_log(Options(tmp_path / "log", repository))
    assert [(one.defaulted, one.without_score) for one in summary.versions] == [(1, 2)]
    assert summary.exit_code == 2


def test_scores_that_no_axis_holds_are_not_drawn() -> None:
    rows = np.array([[1.7e308, -1.7e308], [np.inf, 1.0]])
    assert report._Pictures().scores(rows, rows) == "<p>No scores that can be drawn.</p>"
