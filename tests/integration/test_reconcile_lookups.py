"""Calls with looked-up features come out of `scorebridge reconcile` as they were scored, and other values are found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from boosters import BINARY, NAMES, Model, some_rows, train, write
from fixtures import deploy, make_r_bundle, put
from logged import Log, doubles, floats, matrix, run, said
from lookup_records import column, look_up, result, texts
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.bundles.bundle import read_bundle
from bridge.bundles.repository import StoredVersion
from bridge.calls import Arrival, Call, ModelRef, Outcome, Range
from bridge.codecs.scorebridge_v1.replies import write_reply
from bridge.columns import Array, Column, Table, Type
from bridge.config import LogSettings
from bridge.errors import DefaultReason
from bridge.looked_up import LookedUp
from bridge.prediction_log.record import record_of
from bridge.prediction_log.recorder import LogRecorder
from bridge.prediction_log.writer import PredictionLog
from bridge.reconcile import xgboost_file

ROWS = some_rows(300)
KEYS = [f"u{row}" for row in range(len(ROWS))]


@pytest.fixture(autouse=True)
def _no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that harm nobody need no process of their own, which takes a second."""
    monkeypatch.setattr(xgboost_file, "_try_in_a_child", lambda *_: None)


@pytest.fixture
def model() -> Model:
    return Model(train(BINARY))


@pytest.fixture
def boosted(model: Model, repository: Path, tmp_path: Path) -> StoredVersion:
    return put(write(tmp_path / "boosted", model), repository, "boosted")


def users(rows: int = len(ROWS)) -> pb.Column:
    return pb.Column(name="user_id", strings=pb.StringArray(values=KEYS[:rows]))


def looked_up(rows: Array, *names: str) -> list[Column]:
    """Features of the rows as a store gives them."""
    return [column(name, rows[:, NAMES.index(name)].tolist()) for name in names]


def reconciled(log: Log, repository: Path, *options: object) -> tuple[int, str]:
    result = run(log.write(), "--repository", repository, *options)
    return result.exit_code, said(result)


async def answered(
    folder: Path, stored: StoredVersion, request: pb.ScoreRequest, found: LookedUp, scores: Array
) -> None:
    """A call that a gateway answers, with its record written as it writes it."""
    log = PredictionLog(folder, LogSettings(), "gateway", {})
    log.open()
    log.start()
    recorder = LogRecorder(log)
    raw = request.SerializeToString()
    arrival = Arrival("/scorebridge.v1.ScoringService/Score", raw, "ipv4:127.0.0.1:5", "billing", 0.0, 10**18)
    ref = ModelRef(stored.model, stored.version, read_bundle(stored.path).digest)
    call = Call("call-1", ref, Table((), len(scores)), 0.0, looked_up=found)
    outcome = Outcome((Range(0, len(scores), (Column("score", Type.FLOAT, scores),)),))
    written = recorder.append(record_of(arrival, call, outcome, "", 0.002), raw, write_reply(call, outcome))
    if written is not None:
        await written
    await recorder.close()
    await log.close()


@pytest.mark.parametrize("wrong", [False, True])
async def test_a_booster_scores_what_was_looked_up_and_finds_another_value(
    model: Model, boosted: StoredVersion, repository: Path, tmp_path: Path, *, wrong: bool
) -> None:
    request = pb.ScoreRequest(model="boosted")
    request.table.columns.extend([users(), doubles(ROWS[:, 0], "a"), doubles(ROWS[:, 3], "d")])
    served = ROWS.copy()
    if wrong:
        served[17, 1] += 3  # what the model got in a row, and is not on record
    scores = model.direct(served)
    changed = int((scores != model.direct(ROWS)).sum())
    assert changed == int(wrong)
    found = LookedUp((result(previous=[1, 5]),), tuple(looked_up(ROWS, "c", "b")), (0,))
    await answered(tmp_path / "log", boosted, request, found, scores)
    done = run(tmp_path / "log", "--repository", repository, "--output", tmp_path / "out")
    assert done.exit_code == int(wrong), done.output
    assert ("1 of 300 rows differ" if wrong else "all 300 rows are equal") in said(done)
    report = (tmp_path / "out" / "report.html").read_text()
    assert (f"b {ROWS[17, 1]}" in report) == wrong  # the report shows what was looked up among the inputs


@pytest.mark.parametrize("sent", ["nothing else", "some", "matrix"])
def test_whatever_was_sent_beside_the_key_the_booster_gets_it_in_its_order(
    sent: str, model: Model, boosted: StoredVersion, repository: Path, tmp_path: Path
) -> None:
    log, scores = Log(tmp_path / "log"), [floats(model.direct(ROWS))]
    if sent == "nothing else":
        record = log.call(boosted, pb.Table(columns=[users()]), scores)
        look_up(record, *looked_up(ROWS, "d", "c", "b", "a"), keys=[0])
    elif sent == "some":
        columns = [doubles(ROWS[:, 2], "unknown"), doubles(ROWS[:, 1], "b"), users(), doubles(ROWS[:, 2], "c")]
        record = log.call(boosted, pb.Table(columns=columns), scores)
        record.ignored_columns.append(0)
        look_up(record, *looked_up(ROWS, "a", "d"), keys=[2])
    else:
        numbers = np.column_stack([ROWS[:, 1], np.arange(len(ROWS)), ROWS[:, [3, 0]]])
        record = log.call(boosted, matrix(numbers, ["b", "user_id", "d", "a"]), scores)
        look_up(record, *looked_up(ROWS, "c"), keys=[1])
    assert reconciled(log, repository)[0] == 0
    record.looked_up[0].doubles.values[3] += 3
    code, output = reconciled(log, repository)
    assert (code, "1 of 300 rows differ" in output) == (1, True)


NOT_LOOKED_UP = [
    pb.DEFAULT_REASON_FEATURES_MISSING,
    pb.DEFAULT_REASON_FEATURES_STALE,
    pb.DEFAULT_REASON_STORE_UNAVAILABLE,
]


@pytest.mark.parametrize("reason", NOT_LOOKED_UP)
def test_rows_without_their_features_are_counted_and_never_scored_by_placeholders(
    reason: "pb.DefaultReason", model: Model, boosted: StoredVersion, repository: Path, tmp_path: Path
) -> None:
    log, output, rows = Log(tmp_path / "log"), tmp_path / "out", ROWS[:5].copy()
    scores = model.direct(rows)
    scores[[1, 2]] = 0.5
    rows[[1, 2], :2] = np.nan
    defaulted = [pb.DefaultedRows(first=1, count=2, reason=reason)]
    table = pb.Table(columns=[users(5), doubles(rows[:, 2], "c"), doubles(rows[:, 3], "d")])
    record = log.call(boosted, table, [floats(scores)], defaulted)
    look_up(record, *looked_up(rows, "a", "b"), keys=[0], results=[result(missing=[1, 2])])
    name = pb.DefaultReason.Name(reason).removeprefix("DEFAULT_REASON_")
    code, output_said = reconciled(log, repository, "--output", output)
    assert (code, "all 3 rows are equal" in output_said) == (0, True)
    assert f"rows that could not be re-scored: 2 (their features could not be looked up: {name})" in output_said
    lines = pq.read_table(output / "defaulted.parquet").to_pylist()
    assert [(one["row"], one["reason"], one["logged"], one["rescored"]) for one in lines] == [
        (1, name, 0.5, None),
        (2, name, 0.5, None),
    ]


def test_calls_of_a_store_that_is_down_leave_nothing_undone(
    model: Model, boosted: StoredVersion, repository: Path, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log")
    scores = [floats(np.full(3, 0.5))]
    for reason in (pb.DEFAULT_REASON_STORE_UNAVAILABLE, pb.DEFAULT_REASON_OVERLOADED):
        defaulted = [pb.DefaultedRows(first=0, count=3, reason=reason)]
        record = log.call(boosted, pb.Table(columns=[users(3)]), scores, defaulted)
        down = result(batch="", age_s=None, failure=DefaultReason.STORE_UNAVAILABLE, missing=[0, 1, 2])
        look_up(record, keys=[0], results=[down])
    rows = matrix(np.column_stack([np.arange(3), ROWS[:3]]), ["user_id", *NAMES])
    look_up(log.call(boosted, rows, [floats(model.direct(ROWS[:3]))]), keys=[0])
    code, output = reconciled(log, repository)
    assert (code, "all 3 rows are equal" in output) == (0, True)
    assert "3 (their features could not be looked up: STORE_UNAVAILABLE)" in output
    assert "3 (their features are not on record)" in output


def test_scores_made_elsewhere_are_compared_also_for_rows_without_features(
    boosted: StoredVersion, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log")
    defaulted = [pb.DefaultedRows(first=0, count=1, reason=pb.DEFAULT_REASON_FEATURES_MISSING)]
    record = log.call(boosted, pb.Table(columns=[users(2)]), [floats([0.5, 0.25])], defaulted, keys=["a", "b"])
    look_up(record, *looked_up(ROWS[:2], *NAMES), keys=[0], results=[result(missing=[0])])
    (tmp_path / "other.csv").write_text("row_key,score.score\na,0.75\nb,0.25\n")
    done = run(log.write(), "--against", tmp_path / "other.csv", "--output", tmp_path / "out")
    assert (done.exit_code, "all 1 rows are equal" in said(done)) == (0, True), done.output
    (line,) = pq.read_table(tmp_path / "out" / "defaulted.parquet").to_pylist()
    assert (line["row"], line["logged"], line["rescored"], line["not_rescored"]) == (0, 0.5, 0.75, None)


TYPED = """
Pred.R <- function(age, spent, count, town, member, note) {
  paste(typeof(age), typeof(spent), typeof(count), typeof(town), typeof(member), typeof(note), age, spent, count, town,
        member, note)
}
"""


def typed(town: Sequence[str | None], note: "pb.ColumnType", *, by_matrix: bool) -> tuple[Any, dict[str, Any]]:
    """Rows of two users beside an unknown column and a key, and what is on record of their lookups."""
    found = [column("spent", [1.5, np.nan]), column("count", [7, 0], Type.INT, [False, True]), texts("town", town)]
    found += [column("member", [True, False], Type.BOOL), column("note", [np.nan, np.nan])]
    # The places count what is left of the request, here only `age`, and the looked-up columns behind it.
    kept = {5: note}
    if by_matrix:
        return matrix(np.array([[9, 40, 1], [9, 41, 2]]), ["extra", "age", "user_id"]), {"found": found, "kept": kept}
    columns = [doubles([9, 9], "extra"), doubles([40, 41], "age"), users(2)]
    return pb.Table(columns=columns), {"found": found, "kept": kept}


def put_on_record(record: log_pb.LogRecord, found: Sequence[Column], kept: dict[int, "pb.ColumnType"]) -> None:
    record.ignored_columns.append(0)
    for place, number in kept.items():
        record.kept_types[place] = number
    look_up(record, *found, keys=[2])


@pytest.mark.parametrize("way", ["embedded", "rscript"])
def test_r_gets_ignored_keys_kept_types_and_looked_up_columns_right(way: str, repository: Path, tmp_path: Path) -> None:
    stored, log = put(make_r_bundle(tmp_path / "bundle", TYPED), repository, "typed"), Log(tmp_path / "log")
    types = "double double integer character logical"
    for number, name in ((pb.COLUMN_TYPE_STRING, "character"), (pb.COLUMN_TYPE_INT, "integer")):
        scores = [f"{types} {name} 40 1.5 7 Köln TRUE NA", f"{types} {name} 41 NA NA NA FALSE NA"]
        for by_matrix in (False, True):
            rows, lookups = typed(["Köln", None], number, by_matrix=by_matrix)
            answer = pb.Column(name="score", strings=pb.StringArray(values=scores))
            put_on_record(log.call(stored, rows, [answer]), **lookups)
    assert reconciled(log, repository, "--r", way)[0] == 0
    rows, lookups = typed(["Bonn", None], pb.COLUMN_TYPE_INT, by_matrix=False)
    put_on_record(log.call(stored, rows, [answer]), **lookups)
    code, output = reconciled(log, repository, "--r", way)
    assert (code, "1 of 10 rows differ" in output) == (1, True)


async def test_r_is_not_asked_for_rows_without_their_features(repository: Path, tmp_path: Path) -> None:
    code = "Pred.R <- function(x) { if (anyNA(x)) stop('no features'); x * k }"
    bundle = make_r_bundle(tmp_path / "strict", code, settings="row_wise = true\n")
    stored, log = await deploy(bundle, repository, "strict"), Log(tmp_path / "log")
    missing = pb.DEFAULT_REASON_FEATURES_MISSING
    scores = pb.Column(name="score", doubles=pb.DoubleArray(values=[2.0, 0.0, 6.0]), missing_rows=[1])
    failed = [pb.FailedRows(first=1, count=1, reason=missing)]
    record = log.call(stored, pb.Table(columns=[users(3)]), [scores], failed=failed)
    look_up(record, column("x", [1, np.nan, 3]), keys=[0], results=[result(missing=[1])])
    defaulted = [pb.DefaultedRows(first=0, count=3, reason=missing)]
    record = log.call(stored, pb.Table(columns=[users(3)]), [doubles([0.5] * 3)], defaulted)
    look_up(record, column("x", [1, np.nan, 3]), keys=[0], results=[result(missing=[1])])
    code_, output = reconciled(log, repository)
    assert (code_, "all 2 rows are equal" in output) == (0, True)
    assert "strict/1: rows that could not be re-scored: 4 (their features could not be looked up" in output
