"""Real models behind a real gateway, on both fronts: scores equal the library's own, to the bit."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost
from fixtures import Cancer, Pima, StartGateway, deploy, make_r_bundle
from grpc_health.v1 import health_pb2
from scorebridge import AsyncScoringClient, DeadlineExceeded, InvalidRequest, ScoringClient, Source

from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]


@pytest.mark.parametrize("model", ["glm", "forest"])
async def test_r_scores_are_r_s_own(
    pima: Pima, repository: Path, start_gateway: StartGateway, connect: Connect, model: str
) -> None:
    await deploy(pima.folder / model, repository, model)
    client = connect(await start_gateway(repository))
    frame = pd.DataFrame(pima.table())
    shapes: list[Any] = [
        frame,
        frame[reversed(pima.names)],
        pl.DataFrame(pima.table()),
        pa.Table.from_pandas(frame),
        pima.table(),
        pima.rows,
    ]
    for rows in shapes:
        answer = await client.score(model, rows, timeout_s=10)
        assert answer.source is Source.MODEL
        assert np.array_equal(answer.scores, pima.direct[model])
        assert not answer.defaulted.any()
        assert answer.attempts == 1
        assert answer.backend_s > 0
    assert answer.version == 1
    assert answer.digest.startswith("sha256:")


async def test_xgboost_scores_are_the_booster_s_own(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    client = connect(await start_gateway(repository))
    rows = cancer.rows.copy()
    rows[3, 5] = np.nan
    direct = cancer.booster.predict(xgboost.DMatrix(rows, feature_names=cancer.names))
    by_name = {name: rows[:, at] for at, name in reversed(list(enumerate(cancer.names)))}
    for batch in (rows, rows.astype(np.float32), by_name, pd.DataFrame(by_name)):
        answer = await client.score("cancer", batch, timeout_s=10)
        assert answer.scores.dtype == np.float32
        assert np.array_equal(answer.scores, direct)
    one = await client.score("cancer", rows[:1], columns=cancer.names)
    assert one.scores[0] == direct[0]


async def test_a_row_without_a_score_gets_the_default_and_the_others_keep_theirs(
    pima: Pima, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(pima.folder / "glm", repository, "glm")
    client = connect(await start_gateway(repository))
    table = {name: [*values[:3], *values[:1]] for name, values in pima.table().items()}
    table["bmi"][1] = None
    answer = await client.score("glm", table, timeout_s=10)
    assert answer.source is Source.MIXED
    assert answer.reasons == [None, "MISSING_SCORE", None, None]
    assert answer.defaulted.tolist() == [False, True, False, False]
    assert answer.scores[1] == 0.33
    assert np.array_equal(answer.scores[[0, 2, 3]], pima.direct["glm"][[0, 2, 0]])
    without = await client.score("glm", table, timeout_s=10, allow_default=False)
    assert without.source is Source.MODEL
    assert np.isnan(without.scores[1])


TYPES = """
Pred.R <- function(d, i, b, s, f, o) {
  stopifnot(is.double(d), is.integer(i), is.logical(b), is.character(s), is.factor(f))
  stopifnot(!is.ordered(f), is.ordered(o))
  list(d = d * k, i = i, b = b, s = paste0(s, "\\u00e9"), f = f,
       levels = paste(levels(f), collapse = "/")[rep(1, length(d))],
       missing = is.na(d) + 2 * is.na(i) + 4 * is.na(b) + 8 * is.na(s) + 16 * is.na(f), above = o > "low")
}
"""
FEATURES = """
[features]
d = "double"
i = "int"
b = "bool"
s = "string"
f = {type = "factor", levels = ["low", "hoch \\u00f6"]}
o = {type = "factor", levels = ["low", "hoch \\u00f6"], ordered = true}
"""


async def test_every_type_and_its_missing_value_reach_r_and_come_back(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(make_r_bundle(tmp_path / "types", TYPES, settings=FEATURES), repository, "types")
    client = connect(await start_gateway(repository))
    rows = {
        "d": [1.5, None, -0.0, 4.0],
        "i": [1, 2, None, -(2**31) + 1],
        "b": [True, None, False, True],
        "s": ["", "日本", None, 'a "b"\n'],
        "f": ["hoch ö", None, "low", "low"],
        "o": ["hoch ö", None, "low", "low"],
    }
    got = (await client.score("types", rows, timeout_s=10)).columns
    assert np.array_equal(got["d"], [3.0, np.nan, -0.0, 8.0], equal_nan=True)
    assert np.signbit(got["d"][2])
    assert np.array_equal(got["i"], [1, 2, np.nan, -(2**31) + 1], equal_nan=True)
    assert got["b"].tolist() == [True, None, False, True]
    assert got["s"].tolist() == ["é", "日本é", "NAé", 'a "b"\né']
    assert got["f"].tolist() == ["hoch ö", None, "low", "low"]
    assert got["levels"].tolist() == ["low/hoch ö"] * 4
    assert got["missing"].tolist() == [0, 1 + 4 + 16, 2 + 8, 0]
    assert got["above"].tolist() == [True, None, False, False]
    (detail,) = await client.model("types")
    assert [feature.name for feature in detail.features if feature.ordered] == ["o"]


SLOW = "Pred.R <- function(x) { Sys.sleep(x[1]); x * k }"


@pytest.mark.parametrize("default", [None, 7.0])
async def test_the_default_or_the_typed_error_comes_before_the_deadline(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect, default: float | None
) -> None:
    settings = "timeout_s = 30\nreply_reserve_s = 0.05\nkill_after_s = 0.3\nworkers = 1\n" + (
        "" if default is None else f"default_score = {default}\n"
    )
    await deploy(make_r_bundle(tmp_path / "slow", SLOW, settings=settings), repository, "slow")
    client = connect(await start_gateway(repository))
    await client.score("slow", {"x": [0.0]})
    began = time.monotonic()
    if default is None:
        with pytest.raises(DeadlineExceeded) as raised:
            await client.score("slow", {"x": [10.0, 0.0]}, timeout_s=0.4)
        assert raised.value.reason == "DEADLINE"  # the gateway's own answer, not the client library's timer
        assert raised.value.model == "slow"
    else:
        answer = await client.score("slow", {"x": [10.0, 0.0]}, timeout_s=0.4)
        assert answer.reasons == ["DEADLINE", "DEADLINE"]
        assert answer.scores.tolist() == [default, default]
    assert time.monotonic() - began < 10
    after = await client.score("slow", {"x": [0.0]}, timeout_s=10)
    assert after.source is Source.MODEL


async def test_the_call_s_own_default_and_policy(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    settings = "default_score = 7\nreply_reserve_s = 0.05\nkill_after_s = 0.3\n"
    await deploy(make_r_bundle(tmp_path / "slow", SLOW, settings=settings), repository, "slow")
    client = connect(await start_gateway(repository))
    answer = await client.score("slow", {"x": [10.0]}, timeout_s=0.3, default=-1)
    assert answer.scores.tolist() == [-1.0]
    with pytest.raises(DeadlineExceeded):
        await client.score("slow", {"x": [10.0]}, timeout_s=0.3, default=-1, allow_default=False)


async def test_the_blocking_client_and_health_and_reflection(
    cancer: Cancer, repository: Path, start_gateway: StartGateway
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)

    def blocking() -> float:
        with ScoringClient(gateway.grpc_address, timeout_s=10) as client:
            assert [(one.model, one.serving) for one in client.models()] == [("cancer", True)]
            (detail,) = client.model("cancer")
            assert [feature.name for feature in detail.features] == cancer.names
            assert detail.row_wise
            assert "xgboost " in detail.engine
            return float(client.score("cancer", cancer.rows).scores[0])

    assert (
        await asyncio.to_thread(blocking)
        == cancer.booster.predict(xgboost.DMatrix(cancer.rows, feature_names=cancer.names))[0]
    )
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        for service in ("", "cancer"):
            answer = await check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_many_callers_each_get_their_own_rows(
    pima: Pima, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(pima.folder / "glm", repository, "glm")
    client = connect(await start_gateway(repository))

    async def one(first: int) -> None:
        count = 1 + first % 40
        answer = await client.score("glm", pima.table(first, count), timeout_s=30)
        assert np.array_equal(answer.scores, pima.direct["glm"][first : first + count])

    await asyncio.gather(*(one(first) for first in range(0, 300, 3)))


async def test_a_big_batch_goes_in_several_calls_and_comes_back_in_order(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    client = connect(gateway)
    rows = np.resize(cancer.rows, (50_000, 30))
    rows[::7, 3] = np.nan
    direct = cancer.booster.predict(xgboost.DMatrix(rows, feature_names=cancer.names))
    answer = await client.score("cancer", rows, timeout_s=30, request_id="big")
    assert (answer.request_id, answer.rows, answer.source) == ("big", 50_000, Source.MODEL)
    assert answer.attempts >= 12
    assert np.array_equal(answer.scores, direct)
    by_name = {name: rows[:, at].tolist() for at, name in enumerate(cancer.names)}
    keys = [str(row) for row in range(len(rows))]

    def blocking() -> Any:
        with ScoringClient(gateway.grpc_address) as one:
            return one.score("cancer", by_name, timeout_s=30, row_keys=keys).scores

    assert np.array_equal(await asyncio.to_thread(blocking), direct)
    rows[40_000, 0] = np.inf
    with pytest.raises(InvalidRequest, match="column 'mean radius', row"):
        await client.score("cancer", rows, timeout_s=30)
