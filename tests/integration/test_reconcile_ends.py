"""Reconcile ends: calls that take too long are ended as a worker would be, and say nothing of the scores."""

from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from fixtures import make_r_bundle, put
from logged import Log, doubles, run, said, table
from scorebridge.v1 import scoring_pb2 as pb

LOOPS = "Pred.R <- function(x) { while (any(x > 5)) {}; x * k }"
SETTINGS = "kill_after_s = 0.5\nrow_wise = true\n"


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def deployed(tmp_path: Path, name: str, code: str, settings: str = SETTINGS) -> Path:
    bundle = make_r_bundle(tmp_path / f"bundle-{name}", code, settings=settings)
    (tmp_path / "repository").mkdir(exist_ok=True)
    return bundle


def late(count: int) -> list[pb.DefaultedRows]:
    return [pb.DefaultedRows(first=0, count=count, reason="DEFAULT_REASON_DEADLINE")]


def test_a_call_that_loops_is_ended_and_the_others_are_compared(tmp_path: Path, log: Log) -> None:
    stored = put(deployed(tmp_path, "loops", LOOPS), tmp_path / "repository", "loops")
    log.call(stored, table({"x": [1.0]}), [doubles([2.0])])
    for _ in range(3):
        log.call(stored, table({"x": [9.0, 9.0]}), [doubles([0.5, 0.5])], late(2))
    log.call(stored, table({"x": [3.0]}), [doubles([6.0])])
    result = run(log.write(), "--repository", tmp_path / "repository", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "rows that could not be re-scored: 6 (it took longer than 2 s)" in said(result)
    assert "all 2 rows are equal" in said(result)
    defaulted = pq.read_table(tmp_path / "out" / "defaulted.parquet").to_pylist()
    assert [(line["reason"], line["not_rescored"]) for line in defaulted] == [
        ("DEADLINE", "it took longer than 2 s")
    ] * 6


def test_a_score_of_the_model_that_is_not_given_again_in_time_is_not_re_scored(tmp_path: Path, log: Log) -> None:
    stored = put(deployed(tmp_path, "loops", LOOPS), tmp_path / "repository", "loops")
    other = put(deployed(tmp_path, "good", "Pred.R <- function(x) x * k"), tmp_path / "repository", "good")
    log.call(stored, table({"x": [9.0]}), [doubles([18.0])])
    log.call(other, table({"x": [9.0]}), [doubles([18.0])])
    result = run(log.write(), "--repository", tmp_path / "repository")
    assert result.exit_code == 2, result.output
    assert "rows of the model that were not re-scored, because it took too long: 1" in said(result)
    assert "all 1 rows are equal; 1 rows were not re-scored" in said(result)


def test_the_limit_is_the_operator_s_to_change_and_no_shorter_than_it_took(tmp_path: Path, log: Log) -> None:
    stored = put(
        deployed(tmp_path, "slow", "Pred.R <- function(x) { Sys.sleep(3); x * k }"), tmp_path / "repository", "m"
    )
    record = log.call(stored, table({"x": [1.0]}), [doubles([2.0])])
    record.backend_ns = 3 * 10**9
    folder = log.write()
    assert run(folder, "--repository", tmp_path / "repository").exit_code == 0
    result = run(folder, "--repository", tmp_path / "repository", "--timeout", "0.5")
    assert result.exit_code == 2
    assert "(it took longer than 0.5 s)" in said(result)
    assert run(folder, "--repository", tmp_path / "repository", "--timeout", "0").exit_code == 2


def test_the_memory_limit_of_the_version_holds_again(tmp_path: Path, log: Log) -> None:
    code = "Pred.R <- function(x) { if (x[1] > 5) length(numeric(3e8)); x * k }"
    bundle = deployed(tmp_path, "big", code, "memory_limit_mb = 1500\nkill_after_s = 30\n")
    stored = put(bundle, tmp_path / "repository", "m")
    log.call(stored, table({"x": [1.0]}), [doubles([2.0])])
    log.call(stored, table({"x": [9.0]}), [doubles([0.5])], late(1))
    result = run(log.write(), "--repository", tmp_path / "repository")
    assert result.exit_code == 0, result.output
    assert "cannot allocate vector" in said(result)


@pytest.mark.parametrize(("limit_mb", "how"), [(20, "R ended "), (300, "cannot allocate vector of")])
def test_a_memory_limit_in_which_the_model_is_not_loaded_is_named(
    tmp_path: Path, log: Log, limit_mb: int, how: str
) -> None:
    bundle = make_r_bundle(
        tmp_path / "big", "Pred.R <- function(x) x", "k <- numeric(5e7)", f"memory_limit_mb = {limit_mb}\n"
    )
    stored = put(bundle, tmp_path / "repository", "m")
    log.call(stored, table({"x": [1.0]}), [doubles([2.0])])
    result = run(log.write(), "--repository", tmp_path / "repository")
    assert result.exit_code == 2
    assert how in said(result)
    assert f": memory_limit_mb = {limit_mb} was reached" in said(result)


def test_what_a_call_has_started_ends_with_it(tmp_path: Path, log: Log) -> None:
    note = tmp_path / "pid"
    code = f"Pred.R <- function(x) {{ system('sleep 600 & echo $! > {note}'); while (TRUE) {{}} }}"
    stored = put(deployed(tmp_path, "forks", code), tmp_path / "repository", "m")
    log.call(stored, table({"x": [1.0]}), [doubles([0.5])], late(1))
    assert run(log.write(), "--repository", tmp_path / "repository").exit_code == 0
    started = int(note.read_text())
    assert [one.pid for one in psutil.process_iter() if one.pid == started and one.status() != "zombie"] == []
