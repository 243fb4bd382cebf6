"""Gateways that score the calls of a run, with the bits of a version in this process."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from fixtures import Cancer, Pima, StartGateway, deploy, make_r_bundle, put
from gateways import GatewayProcess
from offline_chunks import bits, chunk_of, question_of, table_of
from waiting import eventually

from bridge.bundles.repository import Repository
from bridge.columns import Column, Table, Type
from bridge.offline.chunk_scoring import ChunkScoring
from bridge.offline.gateways import Gateways
from bridge.offline.in_process import InProcess
from bridge.offline.scorer import CallFailed, RunScorer

Connect = Callable[..., Awaitable[Gateways]]
KINDS = 'row_wise = true\n[features]\nx = "double"\nn = "int"\nb = "bool"\nc = {type = "factor", levels = ["u", "v"]}\n'
ADDS = """
Pred.R <- function(x, n, b, c) ifelse(is.nan(x), -1, ifelse(is.na(x), -2, x)) + ifelse(is.na(n), 0, n) / 3 +
  ifelse(is.na(b), 0.1, b) + ifelse(is.na(c), 0.7, as.integer(c))
"""
DOUBLES = 'row_wise = true\n[features]\nx = "double"\n[outputs]\nscore = "double"\n'


@pytest.fixture
def front() -> str:
    """The one front that callers with tokens have too."""
    return "grpc"


@pytest_asyncio.fixture
async def connect_to() -> AsyncIterator[Connect]:
    """Connects to gateways; what is connected is closed at the end of the test."""
    opened: list[Gateways] = []

    async def one(target: str, model: str, version: int = 0, **more: Any) -> Gateways:
        opened.append(await Gateways.open(target, None, None, model, version, **more))
        return opened[-1]

    yield one
    for scorer in opened:
        await scorer.close()


@pytest.fixture
def processes() -> Iterator[list[GatewayProcess]]:
    """Gateways in processes of their own, which are ended at the end of the test."""
    started: list[GatewayProcess] = []
    yield started
    for one in started:
        if one.popen.poll() is None:
            one.popen.send_signal(signal.SIGCONT)
            one.end(signal.SIGTERM)


def scoring(scorer: RunScorer, *, default: float | bool = False, workers: int = 4) -> ChunkScoring:
    return ChunkScoring(scorer, run_id="run", row_wise=True, default=default, workers=workers, patience_s=60.0)


async def test_xgboost_gives_the_same_bits_as_in_process(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    rows = np.tile(cancer.rows, (20, 1))
    rows[::3, 1] = np.nan
    rows[5, 2] = np.inf
    batch = table_of({name: rows[:, place] for place, name in enumerate(cancer.names)})
    ways = [await connect_to(gateway.grpc_address, "cancer"), await InProcess.open(repository, "cancer")]
    away, here = [await scoring(one).score(chunk_of(batch)) for one in ways]
    await ways[1].close()
    assert len(away.kept) == len(rows) - 1
    assert bits(away) == bits(here)
    assert list(map(repr, away.rejects)) == list(map(repr, here.rejects))
    assert [(one.row, one.reason, one.column) for one in away.rejects] == [(6, "INVALID_VALUE", cancer.names[2])]


async def test_an_r_model_gives_the_same_bits_as_in_process(
    pima: Pima, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    await deploy(pima.folder / "glm", repository, "glm")
    gateway = await start_gateway(repository)
    batch = table_of({name: pima.rows[:, place] for place, name in enumerate(pima.names)})
    scorer = await connect_to(gateway.grpc_address, "glm")
    answer = await scorer.score(question_of(batch))
    assert answer.columns[0].values.tobytes() == pima.direct["glm"].tobytes()
    assert scorer.told()["scored_by"] == f"gateways at {gateway.grpc_address}"


async def test_columns_of_all_types_reach_r_as_in_process_also_na_and_nan(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    put(make_r_bundle(tmp_path / "b", ADDS, settings=KINDS), repository, "adds")
    gateway = await start_gateway(repository)
    na = np.frombuffer(np.uint64(0x7FF00000000007A2).tobytes(), np.float64)[0]  # R's NA
    x = np.array([1.5, np.nan, na, 0.1, -0.0])
    texts = np.array(["u", "v", "", "zz", "u"], object)
    batch = Table(
        (
            Column("x", Type.DOUBLE, x),
            Column("n", Type.INT64, np.array([1, 2, 3, 0, 2]), np.array([0, 0, 0, 1, 0], np.bool_)),
            Column("b", Type.BOOL, np.array([1, 0, 1, 0, 0], np.bool_), np.array([0, 1, 0, 0, 0], np.bool_)),
            Column("c", Type.STRING, texts, np.array([0, 0, 1, 0, 0], np.bool_)),
        ),
        5,
    )
    ways = [await connect_to(gateway.grpc_address, "adds"), await InProcess.open(repository, "adds")]
    away, here = [await scoring(one).score(chunk_of(batch)) for one in ways]
    alone = await scoring(ways[0]).score(chunk_of(batch.slice(3, 1)))
    await ways[1].close()
    assert bits(away) == bits(here)
    assert list(map(repr, away.rejects)) == list(map(repr, here.rejects))
    assert [(one.row, one.column, one.reason) for one in away.rejects] == [(4, "c", "UNKNOWN_LEVEL")]
    assert [(one.column, one.reason) for one in alone.rejects] == [("c", "UNKNOWN_LEVEL")]


async def test_a_request_that_is_too_large_is_divided(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    code = "Pred.R <- function(t) as.double(nchar(t))"
    settings = 'row_wise = true\n[features]\nt = "string"\n[outputs]\nscore = "double"\n'
    put(make_r_bundle(tmp_path / "b", code, settings=settings), repository, "long")
    gateway = await start_gateway(repository)
    scorer = await connect_to(gateway.grpc_address, "long")
    scored = await scoring(scorer).score(chunk_of(table_of({"t": ["x" * 60_000] * 100})))
    assert scored.columns[0].values.tolist() == [60_000.0] * 100


async def test_a_batch_with_more_rows_than_the_model_takes_is_divided(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    bundle = make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x", settings="max_batch_rows = 10\n" + DOUBLES)
    put(bundle, repository, "few")
    gateway = await start_gateway(repository)
    scorer = await connect_to(gateway.grpc_address, "few")
    scored = await scoring(scorer).score(chunk_of(table_of({"x": [float(x) for x in range(64)]})))
    assert scored.columns[0].values.tolist() == [*range(64)]


async def test_an_overloaded_gateway_scores_all_chunks_in_the_end(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    settings = "max_pending_rows = 20\nworkers = 1\ncoalesce = false\n" + DOUBLES
    code = "Pred.R <- function(x) { Sys.sleep(0.02); x }"
    put(make_r_bundle(tmp_path / "b", code, settings=settings), repository, "full")
    gateway = await start_gateway(repository)
    scorer = await connect_to(gateway.grpc_address, "full")
    score = scoring(scorer, workers=8)
    chunks = [chunk_of(table_of({"x": [float(number)] * 16}), number=number) for number in range(8)]
    scored = await asyncio.gather(*map(score.score, chunks))
    assert [set(one.columns[0].values.tolist()) for one in scored] == [{float(number)} for number in range(8)]
    assert [len(one.kept) for one in scored] == [16] * 8


async def test_a_run_goes_on_when_its_gateway_was_killed_and_starts_again(
    tmp_path: Path, repository: Path, processes: list[GatewayProcess], connect_to: Connect
) -> None:
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x", settings=DOUBLES), repository, "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.append(await asyncio.to_thread(GatewayProcess, repository, port=port))
    scorer = await connect_to(f"127.0.0.1:{port}", "model")
    score = scoring(scorer)
    chunk = chunk_of(table_of({"x": [1.0, 2.0]}))
    before = await score.score(chunk)
    processes[0].end(signal.SIGKILL)
    during = asyncio.create_task(score.score(chunk))
    await eventually(lambda: scorer.failures > 0)
    processes.append(await asyncio.to_thread(GatewayProcess, repository, port=port))
    after = await during
    assert bits(before) == bits(after)
    assert not after.rejects


async def test_calls_go_to_the_gateway_that_is_there(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x", settings=DOUBLES), repository, "model")
    gateway = await start_gateway(repository)
    scorer = await connect_to(f"127.0.0.1:1,{gateway.grpc_address}", "model")
    for _ in range(4):
        assert len((await scorer.score(question_of(table_of({"x": [1.0]})))).columns[0]) == 1


async def test_another_bundle_under_the_same_number_ends_the_run(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x", settings=DOUBLES), repository, "model")
    other = tmp_path / "other"
    put(make_r_bundle(tmp_path / "c", "Pred.R <- function(x) -x", settings=DOUBLES), other, "model")
    first, second = await start_gateway(repository), await start_gateway(other)
    scorer = await connect_to(f"{first.grpc_address},{second.grpc_address}", "model")
    with pytest.raises(CallFailed, match="model/1 is another bundle than the one that the run began with") as failed:
        await asyncio.gather(*(scorer.score(question_of(table_of({"x": [1.0]}))) for _ in range(2)))
    assert failed.value.event == "VERSION_REPLACED"
    digest = scorer.detail.version.digest
    with pytest.raises(CallFailed, match=f"and not {digest}"):
        await connect_to(second.grpc_address, "model", digest=digest)


async def test_the_version_that_serves_at_the_start_is_asked_to_the_end(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    put(make_r_bundle(tmp_path / "1", "Pred.R <- function(x) x", settings=DOUBLES), repository, "model", 1)
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    scorer = await connect_to(gateway.grpc_address, "model")
    put(make_r_bundle(tmp_path / "2", "Pred.R <- function(x) -x", settings=DOUBLES), repository, "model", 2)
    await eventually(lambda: gateway.registry.resolve("model").ref.version == 2)
    answer = await scorer.score(question_of(table_of({"x": [1.0]})))
    assert answer.columns[0].values.tolist() == [1.0]


async def test_what_a_gateway_does_not_have_is_named(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    for version in (1, 2, 3):
        bundle = make_r_bundle(tmp_path / str(version), "Pred.R <- function(x) x", settings=DOUBLES)
        put(bundle, repository, "model", version)
    put(make_r_bundle(tmp_path / "bad", "Pred.R <- function(x", settings=DOUBLES), repository, "bad")
    Repository(repository).promote("model", 3)
    gateway = await start_gateway(repository)
    for model, version, event, said in [
        ("none", 0, "MODEL_NOT_FOUND", "no model 'none'"),
        ("model", 9, "MODEL_NOT_FOUND", "no version 9"),
        ("model", 1, "MODEL_NOT_FOUND", "is NOT_RESIDENT at the gateway: promote it, or score with --repository"),
        ("bad", 0, "VERSION_REFUSED", "bad/1 was refused: "),
        ("bad", 1, "VERSION_REFUSED", "bad/1 was refused: "),
    ]:
        with pytest.raises(CallFailed, match=said) as failed:
            await connect_to(gateway.grpc_address, model, version)
        assert failed.value.event == event


async def test_nobody_there_is_waited_for_as_long_as_the_patience_lasts(connect_to: Connect) -> None:
    with pytest.raises(CallFailed, match=r"127.0.0.1:1 can't score after 0.2 s \(--patience\)"):
        await connect_to("127.0.0.1:1", "model", patience_s=0.2)


async def test_a_gateway_that_stopped_answering_is_not_taken_for_a_slow_row(
    tmp_path: Path, repository: Path, processes: list[GatewayProcess], connect_to: Connect
) -> None:
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x", settings=DOUBLES), repository, "model")
    processes.append(await asyncio.to_thread(GatewayProcess, repository))
    scorer = await connect_to(processes[0].url, "model", timeout_s=0.3, answer_s=0.3)
    processes[0].popen.send_signal(signal.SIGSTOP)
    with pytest.raises(CallFailed) as failed:
        await scorer.score(question_of(table_of({"x": [1.0]})))
    assert failed.value.event == "UNAVAILABLE"


async def test_a_token_is_not_sent_to_another_machine_in_plain_text() -> None:
    with pytest.raises(ValueError, match="a token is not sent to 'gateway:8081' in plain text"):
        await Gateways.open("gateway:8081", None, lambda: "secret", "model")
    with pytest.raises(ValueError, match="is not where gateways are"):
        await Gateways.open("127.0.0.1:1,,", grpc.ssl_channel_credentials(), None, "model")


async def test_a_slow_row_is_rejected_through_a_gateway_too(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect_to: Connect
) -> None:
    code = "Pred.R <- function(x) { if (any(x == 91)) Sys.sleep(100); x }"
    settings = "workers = 2\nkill_after_s = 0.2\ntimeout_s = 20\n" + DOUBLES
    put(make_r_bundle(tmp_path / "b", code, settings=settings), repository, "slow")
    gateway = await start_gateway(repository)
    scorer = await connect_to(gateway.grpc_address, "slow", timeout_s=0.6)
    x = [float(number) for number in range(16)]
    x[5] = 91.0
    scored = await scoring(scorer).score(chunk_of(table_of({"x": x})))
    assert [(one.row, one.reason) for one in scored.rejects] == [(6, "DEADLINE")]
    assert scored.kept.tolist() == [row for row in range(16) if row != 5]
