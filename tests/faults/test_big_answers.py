"""Answers that take seconds to put together, of many rows in as many ranges, beside a caller of single rows."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc.aio
import numpy as np
import pytest
from fixtures import Cancer, StartGateway, deploy, make_r_bundle, put
from scorebridge import AsyncScoringClient, Source
from scorebridge.v1 import scoring_pb2 as pb

from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log
from bridge.services import answer

ROWS = 100_000
SCORE = "/scorebridge.v1.ScoringService/Score"
CODE = "Pred.R <- function(size) as.integer(size) + 0.5"
SETTINGS = """unknown_level = "default"
default_score = 0.5
row_wise = true
timeout_s = 60
max_timeout_s = 60
[features]
size = {type = "factor", levels = ["s", "l"]}
"""


@pytest.mark.parametrize(("front", "logged"), [("grpc", True), ("grpc", False), ("native", True)])
async def test_others_are_answered_by_the_model_meanwhile(
    tmp_path: Path,
    cancer: Cancer,
    repository: Path,
    start_gateway: StartGateway,
    connect: Callable[[Gateway], AsyncScoringClient],
    *,
    logged: bool,
) -> None:
    put(cancer.folder, repository, "cancer")
    await deploy(make_r_bundle(tmp_path / "bundle", CODE, settings=SETTINGS), repository, "m")
    gateway = await start_gateway(repository, **({"log_dir": tmp_path / "log"} if logged else {}))
    client = connect(gateway)
    request = pb.ScoreRequest(model="m")
    request.table.columns.add(name="size").strings.values.extend(["s", "xl"] * (ROWS // 2))
    others = []
    async with grpc.aio.insecure_channel(
        gateway.grpc_address, options=[("grpc.max_receive_message_length", -1)]
    ) as big:
        score = big.unary_unary(SCORE, bytes, pb.ScoreResponse.FromString)
        asked = asyncio.ensure_future(score(request.SerializeToString(), timeout=100))
        while not asked.done():
            others.append((await client.score("cancer", cancer.rows[:1], timeout_s=1)).source)
        answer = await asked
    assert list(answer.scores[0].doubles.values) == [1.5, 0.5] * (ROWS // 2)
    assert [one.first for one in answer.defaulted_rows] == list(range(1, ROWS, 2))
    assert others.count(Source.MODEL) == len(others) > 0
    await gateway.close()
    if logged:
        (record,) = (entry.record for entry in read_log(tmp_path / "log") if entry.record.model == "m")
        assert len(record.defaulted) == ROWS // 2


async def test_a_caller_who_leaves_while_its_answer_is_written_is_on_record(
    tmp_path: Path,
    cancer: Cancer,
    repository: Path,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached = asyncio.Event()

    async def never(*_: object) -> None:
        reached.set()
        await asyncio.get_running_loop().create_future()

    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    monkeypatch.setattr(answer, "beside", never)
    rows = np.tile(cancer.rows[:100], (30, 1))
    matrix = pb.Matrix(rows=len(rows), doubles=pb.DoubleArray(values=rows.ravel()))
    request = pb.ScoreRequest(model="cancer", request_id="id", matrix=matrix).SerializeToString()
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        asked = channel.unary_unary(SCORE, bytes, bytes)(request, timeout=100)
        await reached.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    await gateway.close()
    (entry,) = read_log(tmp_path / "log")
    assert (entry.record.request_id, entry.record.error_reason) == ("id", "CANCELLED")
    assert entry.record.attempts > 0
    assert entry.record.request == request
