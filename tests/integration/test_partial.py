"""Partial calls end to end: one bad row of a real model costs its own score, is on record, and is no difference."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xgboost
from fixtures import StartGateway, deploy, make_r_bundle
from logged import run, said
from scorebridge import InvalidRequest, PredictionFailed, Source
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.prediction_log.reader import read_log

FOREST = """
x <- data.frame(a = iris$Sepal.Length, b = iris$Petal.Length)
y <- iris$Species
set.seed(1)
forest <- randomForest::randomForest(x, y, ntree = 20)
"""
PREDICT = """
library(randomForest)
Pred.R <- function(a, b) as.data.frame(predict(forest, data.frame(a = a, b = b), type = "prob"))
"""
DROPS = "Pred.R <- function(a, b) { rows <- na.omit(data.frame(a = a, b = b)); rows$a + k * rows$b }"
NUMBERS = '[features]\na = "double"\nb = "double"\n'
ONE_BAD = {"a": [5.0, np.nan, 6.0], "b": [1.5, 4.0, 5.0]}
GOOD = {"a": [5.0, 6.0], "b": [1.5, 5.0]}
LEVELS = "Pred.R <- function(size, x) x * 10 + as.integer(size)"
FACTOR = '[features]\nx = "double"\nsize = {type = "factor", levels = ["s", "l"]}\n'

ONE_FRONT = pytest.mark.parametrize("front", ["native"], indirect=True)


@pytest.fixture
async def ask(tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Any) -> Any:
    """Deploys a bundle as "m" behind a gateway that logs; its client's `score`."""

    async def deployed(bundle: Path) -> Any:
        await deploy(bundle, repository, "m")
        client = connect(await start_gateway(repository, log_dir=tmp_path / "log"))

        async def score(rows: Any, **options: Any) -> Any:
            return await client.score("m", rows, timeout_s=10, **options)

        return score

    return deployed


def r_bundle(tmp_path: Path, code: str, settings: str, objects: str = "k <- 2") -> Path:
    return make_r_bundle(tmp_path / "bundle", code, objects, "timeout_s = 10\n" + settings)


async def test_a_row_that_a_forest_does_not_take_costs_itself(tmp_path: Path, ask: Any) -> None:
    score = await ask(r_bundle(tmp_path, PREDICT, "row_wise = true\n" + NUMBERS, FOREST))
    with pytest.raises(PredictionFailed) as raised:
        await score(ONE_BAD)
    assert raised.value.reason == "MODEL_ERROR"
    alone, answer = await score(GOOD), await score(ONE_BAD, partial=True)
    assert (answer.source, answer.reasons) == (Source.MIXED, [None, "MODEL_ERROR", None])
    assert (answer.failed.tolist(), answer.defaulted.any()) == ([False, True, False], False)
    (failed,) = answer.failed_rows
    assert (failed.first, failed.count) == (1, 1)
    assert "the predict function raised a condition of class 'simpleError'" in failed.detail
    assert list(answer.columns) == ["setosa", "versicolor", "virginica"]
    for name, values in answer.columns.items():
        assert values[[0, 2]].tobytes() == alone.columns[name].tobytes()
        assert np.isnan(values[1])
    with pytest.raises(PredictionFailed):
        await score({"a": [np.nan] * 2, "b": [1.0] * 2}, partial=True)
    whole = await score(GOOD, partial=True)
    assert (whole.source, whole.failed_rows, whole.reasons) == (Source.MODEL, (), [None, None])


@ONE_FRONT
async def test_a_model_whose_rows_depend_on_each_other_fails_as_a_whole(tmp_path: Path, ask: Any) -> None:
    score = await ask(r_bundle(tmp_path, PREDICT, NUMBERS, FOREST))
    with pytest.raises(PredictionFailed, match="raised a condition of class 'simpleError'"):
        await score(ONE_BAD, partial=True)


@ONE_FRONT
async def test_a_row_that_a_model_drops_costs_itself(tmp_path: Path, ask: Any) -> None:
    score = await ask(r_bundle(tmp_path, DROPS, "row_wise = true\n" + NUMBERS))
    with pytest.raises(PredictionFailed, match="returned 2 scores for 3 rows"):
        await score(ONE_BAD)
    answer = await score(ONE_BAD, partial=True)
    assert answer.reasons == [None, "MALFORMED_PREDICTION", None]
    assert np.array_equal(answer.scores, [8.0, np.nan, 16.0], equal_nan=True)
    defaulted = await score(ONE_BAD, partial=True, default=0.5)
    assert (defaulted.scores.tolist(), defaulted.reasons) == ([8.0, 0.5, 16.0], answer.reasons)
    assert (defaulted.failed_rows, defaulted.defaulted.tolist()) == ((), [False, True, False])


DEFAULT = "default_score = 0.5\n"
REFUSED, MISSING, MARKED = "refused", [11.0, None, 32.0], [11.0, 0.5, 32.0]


@ONE_FRONT
@pytest.mark.parametrize(
    ("rule", "settings", "plain", "partial", "never"),
    [
        ("refuse", "", REFUSED, MISSING, MISSING),
        ("refuse", DEFAULT, REFUSED, MISSING, MISSING),
        ("missing", "", MISSING, MISSING, MISSING),
        ("missing", DEFAULT, MARKED, MARKED, MISSING),
        ("default", DEFAULT, MARKED, MARKED, MISSING),
    ],
)
async def test_an_unknown_level_of_a_factor_costs_what_its_rule_says(
    tmp_path: Path, ask: Any, rule: str, settings: str, plain: Any, partial: Any, never: Any
) -> None:
    score = await ask(r_bundle(tmp_path, LEVELS, f"row_wise = true\nunknown_level = '{rule}'\n{settings}{FACTOR}"))
    rows = {"size": ["s", "xl", "l"], "x": [1.0, 2.0, 3.0]}
    event = "MISSING_SCORE" if rule == "missing" else "UNKNOWN_LEVEL"
    for expected, options in (
        (plain, {}),
        (partial, {"partial": True}),
        (never, {"partial": True, "allow_default": False}),
    ):
        if expected is REFUSED:
            with pytest.raises(InvalidRequest, match=r"^column 'size', row 1: not one of its 2 levels$"):
                await score(rows, **options)
            continue
        answer = await score(rows, **options)
        got = [None if np.isnan(value) else value for value in answer.scores.tolist()]
        assert got == expected
        assert answer.defaulted.tolist() == [False, expected is MARKED, False]
        # NA is what this model itself gives for a missing level: that is its own score.
        failed = expected is MISSING and rule != "missing"
        assert answer.failed.tolist() == [False, failed, False]
        assert answer.reasons == [None, event if failed or expected is MARKED else None, None]
    if rule == "default":
        with pytest.raises(InvalidRequest) as raised:
            await score(rows, allow_default=False)
        assert raised.value.reason == "UNKNOWN_LEVEL"


@ONE_FRONT
async def test_a_call_of_unfit_rows_alone_and_one_of_other_columns_are_refused(tmp_path: Path, ask: Any) -> None:
    score = await ask(r_bundle(tmp_path, LEVELS, "row_wise = true\n" + FACTOR))
    for rows in (
        {"size": ["xl", "m"], "x": [1.0, 2.0]},
        {"size": ["s", "l"]},
        {"size": ["s", "l"], "x": ["1", "2"]},
        {"size": ["s\0", "l"], "x": [1.0, 2.0]},
    ):
        with pytest.raises(InvalidRequest) as raised:
            await score(rows, partial=True)
        assert raised.value.reason == "INVALID_REQUEST"


@ONE_FRONT
@pytest.mark.parametrize(
    ("declared", "values", "good"),
    [
        ('"int"', np.array([1, 2**40, 3]), np.array([1, 3])),
        ('"double"', np.array([1, 2**53 + 1, 3]), np.array([1, 3])),
        ('"int"', np.array([1, -(2**31), 3], np.int32), np.array([1, 3], np.int32)),
    ],
)
async def test_a_number_that_r_does_not_hold_costs_itself(
    tmp_path: Path, ask: Any, declared: str, values: Any, good: Any
) -> None:
    score = await ask(
        r_bundle(tmp_path, "Pred.R <- function(n) n * 2", f"row_wise = true\n[features]\nn = {declared}\n")
    )
    with pytest.raises(InvalidRequest, match="column 'n', row 1: outside"):
        await score({"n": values})
    answer = await score({"n": values}, partial=True, default=0.5)
    assert answer.reasons == [None, "INVALID_VALUE", None]
    assert answer.scores[[0, 2]].tolist() == (await score({"n": good})).scores.tolist() == [2.0, 6.0]
    assert (np.isnan(answer.scores[1]), answer.defaulted.any()) == (True, False)


@ONE_FRONT
async def test_nothing_is_known_of_the_outputs_before_the_first_call(tmp_path: Path, ask: Any) -> None:
    # The made-up row of deploy is refused, so that the first call's good rows say what the outputs are.
    code = "Pred.R <- function(x) { if (any(x <= 0)) stop('none') else data.frame(n = as.integer(x), s = paste(x)) }"
    score = await ask(r_bundle(tmp_path, code, "row_wise = true\n"))
    with pytest.raises(PredictionFailed):
        await score({"x": [-1.0, -2.0]}, partial=True)
    answer = await score({"x": [-1.0, 2.0, 3.0]}, partial=True)
    assert np.array_equal(answer.columns["n"], [np.nan, 2.0, 3.0], equal_nan=True)
    assert answer.columns["s"].tolist() == [None, "2", "3"]
    assert answer.reasons == ["MODEL_ERROR", None, None]


@ONE_FRONT
async def test_failed_rows_are_on_record_and_scored_again(tmp_path: Path, repository: Path, ask: Any) -> None:
    score = await ask(r_bundle(tmp_path, PREDICT, "row_wise = true\n" + NUMBERS, FOREST))
    await score(ONE_BAD, partial=True, request_id="half", row_keys=["x", "y", "z"])
    log, output = tmp_path / "log", tmp_path / "out"
    (entry,) = read_log(log)
    (failed,) = entry.record.failed
    assert (failed.first, failed.count, failed.reason) == (1, 1, 3)
    assert "missing values" in failed.private_detail
    command = CliRunner()
    shown = command.invoke(app, ["log", "show", str(log), "--request-id", "half"]).output
    assert "partial         yes\n" in shown
    assert "failed          row 1: MODEL_ERROR; m/1: the predict function raised" in shown
    done = command.invoke(app, ["log", "export", str(log), "--format", "jsonl", "--output", str(tmp_path / "rows")])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert [(line["source"], line["reason"]) for line in lines] == [
        ("MODEL", None),
        ("FAILED", "MODEL_ERROR"),
        ("MODEL", None),
    ]
    result = await asyncio.to_thread(run, log, "--repository", repository, "--output", output)
    assert result.exit_code == 0, result.output
    assert "all 2 rows are equal" in said(result)
    assert "rows that were answered without a score: 1" in said(result)
    listed = pq.read_table(output / "defaulted.parquet").to_pylist()
    assert {(line["row_key"], line["reason"], line["logged"], line["rescored"]) for line in listed} == {
        ("y", "MODEL_ERROR", None, None)
    }
    assert "missing values" in listed[0]["not_rescored"]


IDS = [1111111111111111111, 1111111111111111112]


@pytest.fixture
def booster(tmp_path: Path) -> xgboost.Booster:
    """Of an id that is a category, and a number; saved as a bundle."""
    random = np.random.default_rng(0)
    shop = random.choice(IDS, 300)
    frame = pd.DataFrame({"shop": pd.Categorical(shop, categories=IDS), "size": random.normal(size=300)})
    training = xgboost.DMatrix(frame, (shop == IDS[0]) + frame["size"], enable_categorical=True)
    trained = xgboost.train({"nthread": 1, "max_depth": 3}, training, 5)
    (tmp_path / "bundle").mkdir()
    trained.save_model(tmp_path / "bundle" / "model.ubj")
    return trained


@ONE_FRONT
async def test_a_value_that_a_booster_does_not_take_costs_itself(
    tmp_path: Path, repository: Path, ask: Any, booster: xgboost.Booster
) -> None:
    (tmp_path / "bundle" / "model.toml").write_text("[xgboost]\ncontributions = true\ntop_reasons = 1\n")
    score = await ask(tmp_path / "bundle")
    rows = {"shop": [IDS[0], 7, IDS[1], IDS[0]], "size": [0.5, 0.5, np.inf, -0.5]}
    with pytest.raises(InvalidRequest, match="column 'shop', row 1: not one of its 2 levels"):
        await score(rows)
    for default in (None, 0.25):
        answer = await score(rows, partial=True, default=default)
        assert answer.reasons == [None, "UNKNOWN_LEVEL", "INVALID_VALUE", None]
        assert answer.failed.tolist() == [False, True, True, False]
        good = pd.DataFrame({"shop": pd.Categorical([IDS[0], IDS[0]], categories=IDS), "size": [0.5, -0.5]})
        direct = booster.predict(xgboost.DMatrix(good, enable_categorical=True))
        assert answer.columns["score"].dtype == np.float32
        assert answer.columns["score"][[0, 3]].tobytes() == direct.tobytes()
        assert all(np.isnan(answer.columns[name][[1, 2]]).all() for name in ("score", "contribution.size"))
        assert answer.columns["reason_1"][[1, 2]].tolist() == [None, None]
    codes = np.array([[0, 0.5], [2, 0.5], [0.5, 0.5], [1, np.inf], [1, -0.5]], np.float32)
    answer = await score(codes, partial=True)
    assert answer.reasons == [None, "UNKNOWN_LEVEL", "INVALID_VALUE", "INVALID_VALUE", None]
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 6 rows are equal" in said(result)
    assert "rows that were answered without a score: 7" in said(result)


@ONE_FRONT
@pytest.mark.parametrize("row_wise", [True, False])
async def test_a_booster_that_is_not_said_to_be_row_wise_takes_no_part_of_a_call(
    tmp_path: Path, ask: Any, booster: xgboost.Booster, row_wise: bool
) -> None:
    del booster
    (tmp_path / "bundle" / "model.toml").write_text(f"row_wise = {str(row_wise).lower()}\n")
    score = await ask(tmp_path / "bundle")
    rows = {"shop": [IDS[0], 7], "size": [0.5, 0.5]}
    if row_wise:
        assert (await score(rows, partial=True)).failed.tolist() == [False, True]
        return
    with pytest.raises(InvalidRequest, match="column 'shop', row 1: not one of its 2 levels"):
        await score(rows, partial=True)
