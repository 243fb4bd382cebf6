"""Answers that take seconds to put together, of many rows in as many ranges, beside a caller of single rows."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import grpc.aio
import numpy as np
import pytest
from fixtures import Cancer, StartGateway, deploy, make_r_bundle, put
from scorebridge import AsyncScoringClient, Source
from scorebridge.v1 import scoring_pb2 as pb
from waiting import moment

from bridge.beside import beside
from bridge.calls import Call, Exchange, ModelRef, Outcome, Range, now
from bridge.columns import Column, Matrix, Type
from bridge.prediction_log.reader import read_log
from bridge.prediction_log.retention import LogSettings
from bridge.prediction_log.writer import PredictionLog
from bridge.recorder import LogRecorder
from bridge.server import Gateway

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


async def test_a_caller_who_leaves_while_its_answer_is_written_is_on_record(tmp_path: Path) -> None:
    log = PredictionLog(LogSettings(folder=tmp_path), "a gateway", {})
    log.open()
    log.start()
    rows = Matrix(("x",), np.zeros((ROWS, 1)))
    exchange = Exchange(SCORE, b"request", "ipv4:127.0.0.1:1", 1, lambda *_: b"reply", lambda _: 2, "caller")
    call = Call(request_id="id", model=ModelRef("m", 1, "sha256:0"), batch=rows, arrived=now(), exchange=exchange)
    call.trace.ask(now(), now())
    outcome = Outcome((Range(0, ROWS, (Column("score", Type.DOUBLE, np.zeros(ROWS)),)),))
    release = threading.Event()
    before = asyncio.create_task(beside(release.wait))
    answering = asyncio.create_task(LogRecorder(log).answered_beside(call, outcome))
    try:
        await moment()
        answering.cancel()
    finally:
        release.set()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await before
    await log.close()
    assert [(one.record.request_id, one.record.error_reason) for one in read_log(tmp_path)] == [("id", "CANCELLED")]
