"""`scorebridge reconcile` of R models, by both kinds of R process: every type, seeds, and what goes wrong in R."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures import deploy, make_r_bundle, put
from logged import Log, doubles, matrix, run, said, table
from scorebridge.v1 import scoring_pb2 as pb

from bridge.bundles.repository import StoredVersion

TYPES = """
Pred.R <- function(number, count, truth, text, level, rank, extra = 5L) {
  if (isTRUE(number[1] == 666)) stop("not this one")
  if (isTRUE(number[1] == 999)) quit(status = 3L)
  stopifnot(is.double(number), is.integer(count), is.logical(truth), is.character(text), is.factor(level))
  stopifnot(identical(levels(level), c("low", "h\\u00f6h")), !is.ordered(level), all(rank > "low"))
  list(number = number + runif(length(number)) + extra, count = count, truth = truth,
       text = paste0(text, ":", as.integer(level)), level = level)
}
"""
SETTINGS = """
seed = 11
[features]
number = "double"
count = "int"
truth = "bool"
text = "string"
level = {type = "factor", levels = ["low", "höh"]}
rank = {type = "factor", levels = ["low", "höh"], ordered = true}
"""
R_SCORES = "cat(sprintf('%a', {set.seed(11, 'Mersenne-Twister', 'Inversion', 'Rejection'); runif(3)}))"


@pytest.fixture(autouse=True, params=["embedded", "rscript"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """R inside Python, which is taken where rpy2 is installed, and Rscript."""
    monkeypatch.setattr("bridge.reconcile.r_path.has_rpy2", lambda: request.param == "embedded")


@pytest.fixture
def typed(repository: Path, tmp_path: Path) -> StoredVersion:
    return put(make_r_bundle(tmp_path / "typed", TYPES, settings=SETTINGS), repository, "typed")


def typed_rows(numbers: Sequence[float]) -> pb.Table:
    return pb.Table(
        columns=[
            pb.Column(name="level", strings=pb.StringArray(values=["höh", "low", ""]), missing_rows=[2]),
            pb.Column(name="rank", strings=pb.StringArray(values=["höh"] * 3)),
            pb.Column(name="number", doubles=pb.DoubleArray(values=numbers)),
            pb.Column(name="count", int32s=pb.Int32Array(values=[7, 0, -3]), missing_rows=[1]),
            pb.Column(name="truth", bools=pb.BoolArray(values=[True, False, False]), missing_rows=[2]),
            pb.Column(name="text", strings=pb.StringArray(values=["ü", "", "ok"]), missing_rows=[1]),
        ]
    )


async def typed_scores() -> list[pb.Column]:
    child = await asyncio.create_subprocess_exec("Rscript", "-e", R_SCORES, stdout=asyncio.subprocess.PIPE)
    printed, _ = await child.communicate()
    uniform = [float.fromhex(text) for text in printed.decode().split()]
    return [
        doubles([number + random + 5 for number, random in zip([1.5, 2.5, 3.5], uniform, strict=True)], "number"),
        pb.Column(name="count", int32s=pb.Int32Array(values=[7, 0, -3]), missing_rows=[1]),
        pb.Column(name="truth", bools=pb.BoolArray(values=[True, False, False]), missing_rows=[2]),
        pb.Column(name="text", strings=pb.StringArray(values=["ü:2", "NA:1", "ok:NA"])),
        pb.Column(name="level", strings=pb.StringArray(values=["höh", "low", ""]), missing_rows=[2]),
    ]


async def test_every_type_and_the_seed_of_each_call_come_through(
    typed: StoredVersion, repository: Path, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log")
    for _ in range(3):
        log.call(typed, typed_rows([1.5, 2.5, 3.5]), await typed_scores())
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 9 rows are equal" in said(result)


async def test_a_call_that_fails_or_ends_r_costs_the_others_nothing(
    typed: StoredVersion, repository: Path, tmp_path: Path
) -> None:
    log, output = Log(tmp_path / "log"), tmp_path / "out"
    for first in (1.5, 666, 999, 1.5):
        log.call(typed, typed_rows([first, 2.5, 3.5]), await typed_scores())
    result = run(log.write(), "--repository", repository, "--output", output)
    assert result.exit_code == 1, result.output
    assert "6 of 12 rows differ" in said(result)
    assert "rows that could not be re-scored: 3 (not this one)" in said(result)
    assert "rows that could not be re-scored: 3 (the R process ended)" in said(result)
    assert pq.read_table(output / "differences.parquet").num_rows == 30


async def test_a_model_that_can_not_be_loaded_is_reported(repository: Path, tmp_path: Path) -> None:
    bundle = make_r_bundle(tmp_path / "broken", "stop('no luck')\nPred.R <- function(x) x")
    stored = put(bundle, repository, "broken")
    log = Log(tmp_path / "log")
    log.call(stored, table({"x": [1.0]}), [doubles([1.0])])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 2
    assert "broken/1: not re-scored: the model can't be loaded: no luck" in said(result)


@pytest.mark.parametrize(
    "raises",
    [
        "stop('negative')",
        "tryCatch(warning('negative'), warning = function(w) stop(w))",
        "stop(structure(class = c('odd', 'condition'), list(message = 'negative', call = NULL)))",
    ],
)
async def test_rows_that_kept_others_from_a_score_are_scored_apart(
    repository: Path, tmp_path: Path, raises: str
) -> None:
    code = f"Pred.R <- function(x) {{ if (any(x < 0)) {raises}; x * k }}"
    bundle = make_r_bundle(tmp_path / "strict", code, settings="row_wise = true\ndefault_score = 0.5\n")
    stored = await deploy(bundle, repository, "strict")
    log = Log(tmp_path / "log")
    defaulted = [pb.DefaultedRows(first=1, count=1, reason=pb.DEFAULT_REASON_MODEL_ERROR)]
    log.call(stored, table({"x": [1.0, -1.0, 3.0]}), [doubles([2.0, 0.5, 6.0])], defaulted)
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 2 rows are equal" in said(result)
    assert "rows that could not be re-scored: 1 (negative)" in said(result)


WORLD = """
Pred.R <- function(seconds, town) list(
  hour = as.POSIXlt(seconds, origin = "1970-01-01")$hour, place = as.integer(factor(town)),
  day = weekdays(as.POSIXct(seconds, origin = "1970-01-01"))
)
"""


def in_a_world(log: Log, stored: StoredVersion) -> None:
    """A call at midnight in Shanghai, as R answers it in Chinese."""
    towns = pb.Column(name="town", strings=pb.StringArray(values=["b", "A", "张", "阿"]))
    scores = [
        pb.Column(name="hour", int32s=pb.Int32Array(values=[0] * 4)),
        pb.Column(name="place", int32s=pb.Int32Array(values=[4, 3, 2, 1])),
        pb.Column(name="day", strings=pb.StringArray(values=["星期一"] * 4)),
    ]
    log.call(stored, pb.Table(columns=[doubles([1_719_763_200.0] * 4, "seconds"), towns]), scores)


def test_scores_are_made_again_in_the_version_s_own_world(
    repository: Path, tmp_path: Path, locales: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locales
    for name, value in {"TZ": "Asia/Tokyo", "LC_ALL": "C", "LANGUAGE": "de", "R_ICU_LOCALE": "de"}.items():
        monkeypatch.setenv(name, value)
    settings = 'timezone = "Asia/Shanghai"\nlocale = "zh_CN.UTF-8"\n'
    stored = put(make_r_bundle(tmp_path / "bundle", WORLD, settings=settings), repository, "world")
    log = Log(tmp_path / "log")
    in_a_world(log, stored)
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 4 rows are equal" in said(result)


@pytest.mark.parametrize("key", ["timezone = 'Asia/Peking'", "locale = 'xx_XX.UTF-8'"])
def test_a_world_that_this_machine_lacks_is_no_difference(repository: Path, tmp_path: Path, key: str) -> None:
    stored = put(make_r_bundle(tmp_path / "bundle", WORLD, settings=key), repository, "world")
    log = Log(tmp_path / "log")
    in_a_world(log, stored)
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 2, result.output
    assert "world/1: not re-scored: the model can't be loaded: this machine has no " in said(result)
    assert "there is no row to be compared" in said(result)


def test_a_column_without_a_value_is_given_as_the_log_says(repository: Path, tmp_path: Path) -> None:
    code = "Pred.R <- function(town, size) paste(typeof(town), typeof(size), is.na(town))"
    stored = put(make_r_bundle(tmp_path / "bundle", code), repository, "kept")
    log = Log(tmp_path / "log")

    def answered(rows: pb.Matrix | pb.Table, score: str, kept: dict[int, pb.ColumnType]) -> None:
        record = log.call(stored, rows, [pb.Column(name="score", strings=pb.StringArray(values=[score] * 2))])
        for place, number in kept.items():
            record.kept_types[place] = number

    nothing = [float("nan")] * 2
    text: dict[int, pb.ColumnType] = {1: pb.COLUMN_TYPE_STRING}
    answered(table({"size": [1.0, 2.0], "town": nothing}), "double double TRUE", {})
    answered(table({"size": [1.0, 2.0], "town": nothing}), "character double TRUE", text)
    answered(
        matrix(np.full((2, 2), np.nan), ["size", "town"]), "character integer TRUE", text | {0: pb.COLUMN_TYPE_INT}
    )
    answered(matrix(np.full((2, 2), np.nan)), "double logical TRUE", {1: pb.COLUMN_TYPE_BOOL})
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 8 rows are equal" in said(result)


async def test_rows_without_a_score_are_scored_again_and_listed_and_no_difference(
    repository: Path, tmp_path: Path
) -> None:
    code = "Pred.R <- function(x) { if (any(x < 0)) stop('negative'); x * k }"
    bundle = make_r_bundle(tmp_path / "strict", code, settings="row_wise = true\n")
    stored = await deploy(bundle, repository, "strict")
    log, output = Log(tmp_path / "log"), tmp_path / "out"
    error, late = pb.DEFAULT_REASON_MODEL_ERROR, pb.DEFAULT_REASON_DEADLINE
    failed = [pb.FailedRows(first=1, count=1, reason=error), pb.FailedRows(first=3, count=1, reason=late)]
    scores = pb.Column(name="score", doubles=pb.DoubleArray(values=[2.0, 0.0, 6.0, 0.0]), missing_rows=[1, 3])
    log.call(stored, table({"x": [1.0, -1.0, 3.0, 4.0]}), [scores], keys=["a", "b", "c", "d"], failed=failed)
    # Not one row of these is the model's: a default, and one that failed.
    defaulted = [pb.DefaultedRows(first=0, count=1, reason=late)]
    scores = pb.Column(name="score", doubles=pb.DoubleArray(values=[0.5, 0.0]), missing_rows=[1])
    log.call(stored, table({"x": [5.0, -1.0]}), [scores], defaulted, failed=failed[:1])
    result = run(log.write(), "--repository", repository, "--output", output)
    assert result.exit_code == 0, result.output
    assert "all 2 rows are equal" in said(result)
    assert "strict/1: rows that were answered without a score: 3" in said(result)
    assert "strict/1: rows that could not be re-scored: 2 (negative)" in said(result)
    assert pq.read_table(output / "differences.parquet").num_rows == 0
    lines = pq.read_table(output / "defaulted.parquet").to_pylist()
    found = [(one["row"], one["reason"], one["logged"], one["rescored"], one["not_rescored"]) for one in lines]
    assert found == [
        (1, "MODEL_ERROR", None, None, "negative"),
        (3, "DEADLINE", None, 8.0, None),
        (0, "DEADLINE", 0.5, 10.0, None),
        (1, "MODEL_ERROR", None, None, "negative"),
    ]


async def test_a_number_that_r_does_not_have_is_not_scored_as_another(repository: Path, tmp_path: Path) -> None:
    bundle = make_r_bundle(tmp_path / "doubles", "Pred.R <- function(x) x * k", settings="row_wise = true\n")
    stored = await deploy(bundle, repository, "doubles")
    log = Log(tmp_path / "log")
    failed = [pb.FailedRows(first=1, count=1, reason=pb.DEFAULT_REASON_INVALID_VALUE)]
    scores = pb.Column(name="score", doubles=pb.DoubleArray(values=[2.0, 0.0]), missing_rows=[1])
    for column in (
        pb.Column(name="x", int64s=pb.Int64Array(values=[1, 2**53 + 1])),
        pb.Column(name="x", int32s=pb.Int32Array(values=[1, -(2**31)])),
    ):
        log.call(stored, pb.Table(columns=[column]), [scores], failed=failed)
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 2 rows are equal" in said(result)
    assert "rows that could not be re-scored: 2 (the column 'x' has a whole number that R can't hold exactly)" in said(
        result
    )


async def test_a_row_without_a_score_changes_no_exit_code_where_it_takes_too_long(
    repository: Path, tmp_path: Path
) -> None:
    code = "Pred.R <- function(x) { if (any(x < 0)) repeat NULL; x * k }"
    stored = await deploy(make_r_bundle(tmp_path / "slow", code, settings="row_wise = true\n"), repository, "slow")
    log = Log(tmp_path / "log")
    failed = [pb.FailedRows(first=0, count=1, reason=pb.DEFAULT_REASON_DEADLINE)]
    scores = pb.Column(name="score", doubles=pb.DoubleArray(values=[0.0, 6.0]), missing_rows=[0])
    log.call(stored, table({"x": [-1.0, 3.0]}), [scores], failed=failed)
    result = run(log.write(), "--repository", repository, "--timeout", 0.2)
    assert result.exit_code == 0, result.output
    assert "all 1 rows are equal" in said(result)
    assert "rows that could not be re-scored: 1" in said(result)
