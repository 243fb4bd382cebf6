"""A text column without any value reaches R as text, once the feature was seen to be text; reconcile knows."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytest_asyncio
from fixtures import StartGateway, make_r_bundle, put
from logged import run
from scorebridge import AsyncScoringClient, PredictionFailed
from scorebridge.v1 import scoring_pb2 as pb

from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log

Connect = Callable[[Gateway], AsyncScoringClient]

# The score is the type.
CODE = """
Pred.R <- function(town, size = 1) {
  if (any(size > 100, na.rm = TRUE)) stop("too large")
  list(town = rep(typeof(town), length(town)), size = rep(typeof(size), length(town)))
}
"""


@pytest_asyncio.fixture
async def client(tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect) -> AsyncScoringClient:
    put(make_r_bundle(tmp_path / "bundle", CODE), repository, "towns")
    return connect(await start_gateway(repository, log_dir=tmp_path / "log"))


async def said(client: AsyncScoringClient, rows: Any) -> tuple[Any, ...]:
    answer = await client.score("towns", rows, timeout_s=30)
    return tuple(answer.columns[name][-1] for name in ("town", "size"))


def reconciled(log: Path, repository: Path, rows: int) -> None:
    result = run(log, "--repository", repository)
    assert result.exit_code == 0, result.output
    assert f"all {rows} rows are equal" in " ".join(result.output.split())


async def test_a_text_column_without_a_value_is_text_once_it_was(
    client: AsyncScoringClient, tmp_path: Path, repository: Path
) -> None:
    nothing = {"town": [None, None], "size": [1.5, None]}
    assert await said(client, nothing) == ("double", "double")  # nobody can know yet
    assert await said(client, {"town": ["a", None], "size": [True, None]}) == ("character", "logical")
    assert await said(client, nothing) == ("character", "double")
    assert await said(client, {"town": [None]}) == ("character", "double")
    assert await said(client, pd.DataFrame(nothing)) == ("character", "double")
    assert await said(client, pd.DataFrame(nothing, dtype=object)) == ("character", "double")
    assert await said(client, np.full((3, 2), np.nan)) == ("character", "double")
    log = [dict(entry.record.kept_types) for entry in read_log(tmp_path / "log")]
    string = pb.COLUMN_TYPE_STRING
    assert log == [{}, {}, {0: string}, {0: string}, {0: string}, {0: string}, {0: string}]
    reconciled(tmp_path / "log", repository, 14)


async def test_a_call_that_the_model_does_not_score_teaches_nothing(client: AsyncScoringClient) -> None:
    assert await said(client, {"town": ["a"], "size": [1.0]}) == ("character", "double")
    with pytest.raises(PredictionFailed):
        await client.score("towns", {"town": [1.0], "size": [1000.0]}, timeout_s=30)
    assert await said(client, {"town": [None]}) == ("character", "double")


async def test_a_feature_that_comes_in_two_types_is_as_it_was_sent(
    client: AsyncScoringClient, tmp_path: Path, repository: Path
) -> None:
    assert await said(client, {"town": ["a"]}) == ("character", "double")
    assert await said(client, {"town": [None]}) == ("character", "double")
    assert await said(client, {"town": [7.0]}) == ("double", "double")
    assert await said(client, {"town": [None]}) == ("double", "double")
    reconciled(tmp_path / "log", repository, 4)


async def test_joined_calls_are_each_of_their_own_type(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    settings = "row_wise = true\nworkers = 1\n"
    put(make_r_bundle(tmp_path / "bundle", CODE, settings=settings), repository, "towns")
    client = connect(await start_gateway(repository, log_dir=tmp_path / "log"))
    assert await said(client, {"town": ["a"]}) == ("character", "double")
    calls = [said(client, {"town": [None if number % 3 else "a"]}) for number in range(60)]
    assert set(await asyncio.gather(*calls)) == {("character", "double")}
    reconciled(tmp_path / "log", repository, 61)
