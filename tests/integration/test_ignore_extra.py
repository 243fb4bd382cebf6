"""Columns that a model does not know, ignored because the caller says so: its scores, the log, and reconcile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from fixtures import Cancer, Pima, StartGateway, deploy
from logged import run, said
from scorebridge import AsyncScoringClient, InvalidRequest, Source

from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log

Connect = Callable[[Gateway], AsyncScoringClient]
EXTRA = {
    "id": ["x", "y", "z"],
    "when": pd.to_datetime(["2026-01-01"] * 3),
    "mixed": [1, "a", None],
    "whole": [2**53 + 1, 0, 1],
}


def records(log: Path) -> list[Any]:
    return [entry.record for entry in read_log(log)]


def places(log: Path) -> list[list[int]]:
    return [list(record.ignored_columns) for record in records(log)]


async def test_columns_that_xgboost_does_not_know(
    cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    client = connect(await start_gateway(repository, log_dir=tmp_path / "log"))
    right = cancer.booster.predict(xgboost.DMatrix(cancer.rows[:3], feature_names=cancer.names))
    frame = pd.DataFrame(cancer.rows[:3], columns=cancer.names)
    wide = pd.DataFrame(EXTRA).join(frame)[["id", *cancer.names[:9], "when", "whole", *cancer.names[9:], "mixed"]]
    matrix = np.column_stack([[7.0, 8.0, 9.0], cancer.rows[:3], np.zeros(3)])
    names = ["row", *cancer.names, "row"]
    for rows, options in (
        (frame, {}),
        (wide, {"row_keys": "id"}),
        (frame[cancer.names[::-1]].assign(other=1.5), {}),
        (matrix, {"columns": [*names[:-1], "other"]}),
        (matrix.astype(np.float32), {"columns": [*names[:-1], "other"]}),
    ):
        answer = await client.score("cancer", rows, ignore_extra=True, **options)
        assert (answer.source, answer.scores.tolist()) == (Source.MODEL, right.tolist())
    assert places(tmp_path / "log") == [[], [9], [30], [0, 31], [0, 31]]
    result = run(tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 15 rows are equal" in said(result)


async def test_columns_that_r_does_not_know(
    pima: Pima, repository: Path, tmp_path: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(pima.folder / "glm", repository, "glm")
    client = connect(await start_gateway(repository, log_dir=tmp_path / "log"))
    known = {name: values[:3] for name, values in pima.table().items()}
    right = (await client.score("glm", known)).scores.tolist()
    for rows in ({**EXTRA, **known}, {**known, "note": ["", None, "x"]}, {"none": [None] * 3, **known}):
        answer = await client.score("glm", rows, ignore_extra=True)
        assert (answer.source, answer.scores.tolist()) == (Source.MODEL, right)
    assert places(tmp_path / "log") == [[], [0, 1], [len(known)], [0]]
    result = run(tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 12 rows are equal" in said(result)


async def test_what_is_missing_is_still_missing_and_without_a_word_extras_are_refused(
    pima: Pima, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(pima.folder / "glm", repository, "glm")
    client = connect(await start_gateway(repository))
    known = {name: values[:3] for name, values in pima.table().items()}
    with pytest.raises(InvalidRequest, match=r"^the model does not know column 'note'$"):
        await client.score("glm", {**known, "note": ["x"] * 3})
    first = min(known)
    renamed = {name.upper() if name == first else name: values for name, values in known.items()}
    with pytest.raises(InvalidRequest, match=rf"^missing column '{first}'$"):
        await client.score("glm", renamed, ignore_extra=True)
    with pytest.raises(InvalidRequest, match=r"^missing columns "):
        await client.score("glm", {"other": [1.0]}, ignore_extra=True)
