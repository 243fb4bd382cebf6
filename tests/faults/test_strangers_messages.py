"""What one caller sends, however much it holds, costs another nothing: it is refused, let go, and kept in part."""

import asyncio
import gc
import hashlib
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from fixtures import Cancer, StartGateway, make_r_bundle, put
from scorebridge import AsyncScoringClient, ScoringError, Source
from scorebridge.v1 import scoring_pb2 as pb
from waiting import eventually

from bridge.calls import Arrival
from bridge.codecs.protobuf import delimited
from bridge.columns import Batch
from bridge.errors import InvalidRequest
from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log
from bridge.prediction_log.recorder import LogRecorder
from bridge.prediction_log.rows import read_call
from bridge.prediction_log.stats import Stats
from bridge.services import scoring as service

Connect = Callable[[Gateway], AsyncScoringClient]

SCORE = "/scorebridge.v1.ScoringService/Score"
ATTACKS = {
    "columns": delimited(b"\x2a", b"\x0a\x02\x12\x00" * 1_000_000),
    "row keys": b"\x32\x00" * 1_900_000,
    "labels": b"\x52\x00" * 300_000,
    "texts": delimited(b"\x2a", delimited(b"\x0a", b"\x0a\x01x" + delimited(b"\x32", b"\x0a\x00" * 1_900_000))),
    "groups": b"\x7b" * 2_000_000,
    "unknown": b"\x78\x01" * 1_900_000,
}


async def _refused(channel: grpc.aio.Channel, request: bytes, method: str = SCORE) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(method, bytes, bytes)(request, timeout=60)
    code: grpc.StatusCode = caught.value.code()
    return code


@pytest.mark.parametrize("front", ["grpc", "native"])
@pytest.mark.parametrize("attack", ATTACKS)
async def test_others_get_model_scores_meanwhile(
    attack: str, cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    client = connect(gateway)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        attacks = [asyncio.create_task(_refused(channel, ATTACKS[attack])) for _ in range(4)]
        results = [await client.score("cancer", cancer.rows[:1], timeout_s=30) for _ in range(20)]
        codes = await asyncio.gather(*attacks)
    assert not any(result.defaulted.any() for result in results)
    assert set(codes) == {grpc.StatusCode.INVALID_ARGUMENT}
    assert "refused messages that held more than allowed: 4" in gateway.pages.readiness()


@pytest.mark.parametrize("method", ["ListModels", "GetModel"])
async def test_what_asks_for_models_is_short(method: str, repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        path = SCORE.replace("/Score", f"/{method}")
        assert await _refused(channel, b"\x78\x01" * 100_000, path) is grpc.StatusCode.INVALID_ARGUMENT


async def test_of_a_refused_call_the_beginning_is_on_record_and_of_many_their_count(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    log, raw = tmp_path / "log", ATTACKS["labels"]
    gateway = await start_gateway(repository, log_dir=log, log_refusals_per_s=2)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        await asyncio.gather(*(_refused(channel, raw) for _ in range(9)))
    await gateway.close()
    records = [entry.record for entry in read_log(log)]
    single, told = [one for one in records if not one.suppressed], [one for one in records if one.suppressed]
    assert len(single) >= 2
    assert len(single) + sum(one.suppressed for one in told) == 9
    assert told
    for one in single:
        assert (one.request, one.request_bytes) == (raw[:4096], len(raw))
        assert one.request_sha256 == hashlib.sha256(raw).digest()
        assert read_call(one).request is None
    stats = Stats()
    for one in records:
        stats.add(one)
    assert stats.total().calls == stats.total().errors.total() == 9


async def test_a_scored_call_is_on_record_whole(
    tmp_path: Path, cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    scores = await connect(gateway).score("cancer", cancer.rows, timeout_s=30)
    assert not scores.defaulted.any()
    (record,) = [entry.record for entry in read_log(tmp_path / "log")]
    assert len(record.request) > 4096
    assert (record.request_bytes, record.request_sha256) == (0, b"")


async def test_more_bytes_in_flight_than_there_may_be_are_refused(
    cancer: Cancer, repository: Path, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, max_inflight_bytes=1000)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        assert await _refused(channel, bytes(1001)) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await _refused(channel, b"no message") is grpc.StatusCode.INVALID_ARGUMENT


class _Held:
    """Something that a frame holds."""


class _Watching(LogRecorder):
    """Looks, when a refused call is recorded, whether what was built of it is still there."""

    def __init__(self, held: list[weakref.ref[_Held]]) -> None:
        self.held = held
        self.alive: list[bool] = []

    async def refused(self, *_: Any) -> None:
        self.alive += [one() is not None for one in self.held]


async def test_what_was_built_of_a_refused_message_is_gone_before_it_is_recorded(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cancer.folder, repository, "cancer")
    held: list[weakref.ref[_Held]] = []

    def refuse(_: pb.ScoreRequest) -> Batch:
        built = _Held()
        held.append(weakref.ref(built))
        raise InvalidRequest("no") from ValueError(built)

    monkeypatch.setattr(service, "read_batch", refuse)
    gateway = await start_gateway(repository)
    watching = _Watching(held)
    gateway._services.answering._recorder = watching
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        request = pb.ScoreRequest(model="cancer", matrix=pb.Matrix(rows=1)).SerializeToString()
        assert await _refused(channel, request) is grpc.StatusCode.INVALID_ARGUMENT
    assert watching.alive == [False]


@pytest.mark.parametrize("front", ["grpc", "native"])
async def test_no_request_is_held_once_its_call_is_over(
    tmp_path: Path, cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    function = "Pred.R <- function(x) if (x[1] < 0) stop('no') else x"
    put(make_r_bundle(tmp_path / "b", function, settings='[features]\nx = "double"\n'), repository, "r")
    client = connect(await start_gateway(repository))
    gc.collect()
    gc.disable()  # what a full collection alone frees may be 4 MiB a call, hundreds of times
    try:
        for _ in range(3):
            assert (await client.score("cancer", cancer.rows[:1])).source is Source.MODEL
            for model, row in (("cancer", cancer.rows[:1, :3]), ("r", {"x": [-1.0]}), ("absent", cancer.rows[:1])):
                with pytest.raises(ScoringError):
                    await client.score(model, row)
        await eventually(lambda: not [one for one in gc.get_objects() if isinstance(one, Arrival)])
    finally:
        gc.enable()
