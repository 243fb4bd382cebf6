"""What one stranger's connections may take of grpc.aio, beside a caller who behaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from fixtures import StartGateway
from raw_http2 import (
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    RawCaller,
    dial,
    frame,
    header_block,
    message,
    request,
    resets,
    send_at_once,
)
from scorebridge import AsyncScoringClient

from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]

SCORE = header_block("/scorebridge.v1.ScoringService/Score")
LIST = header_block("/scorebridge.v1.ScoringService/ListModels")
REFUSED_STREAM, ENHANCE_YOUR_CALM = 7, 11


@pytest.fixture
def front() -> str:
    """The one that is bounded."""
    return "grpc"


@asynccontextmanager
async def stranger(gateway: Gateway) -> AsyncIterator[RawCaller]:
    """One connection of one's own making."""
    caller = await dial(gateway.grpc_address)
    try:
        yield caller
    finally:
        await caller.close()


async def within(awaited: Awaitable[Any]) -> Any:
    """What it gives, if it does so at all."""
    async with asyncio.timeout(20):
        return await awaited


async def test_a_connection_has_no_more_streams_than_it_may(
    repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    gateway = await start_gateway(repository, max_streams=16)
    async with stranger(gateway) as caller:
        await within(caller.send(*(frame(HEADERS, END_HEADERS, stream, SCORE) for stream in range(1, 2001, 2))))
        refused: set[int] = set()
        while len(refused) < 1000 - 16:
            got = await within(caller.receive())
            assert got is not None
            assert got.kind == RST_STREAM
            assert got.code in (REFUSED_STREAM, ENHANCE_YOUR_CALM)
            refused.add(got.stream)
        assert refused == set(range(33, 2001, 2))
        assert await connect(gateway).models() == []


async def test_rapid_resets_cost_other_connections_no_call(
    repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    gateway = await start_gateway(repository)
    client = connect(gateway)
    calls = resets(100_000, SCORE)
    async with asyncio.TaskGroup() as attacks:
        for _ in range(2):
            attacks.create_task(asyncio.to_thread(send_at_once, gateway.grpc_address, calls))
        for _ in range(200):
            assert await client.models() == []


async def test_a_call_whose_message_does_not_come_is_ended(
    repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    gateway = await start_gateway(repository, message_s=0.1)
    half = frame(0, 0, 1, message(b"some bytes")[:-3])
    for sent in (b"", half):
        async with stranger(gateway) as caller:
            await caller.send(frame(HEADERS, END_HEADERS, 1, SCORE), sent)
            headers, data = await within(caller.answer())
            assert headers["grpc-status"] == "4"
            assert headers["grpc-message"] == "the request message did not arrive within 0.1 s of the call's headers"
            assert data == b""
    assert await connect(gateway).models() == []


@pytest.mark.parametrize(
    "idle", [{"connection_idle_s": 0.1}, {"connection_age_s": 0.1, "connection_age_grace_s": 0.1}], ids=["idle", "old"]
)
async def test_a_connection_that_is_idle_or_old_is_closed(
    repository: Path, start_gateway: StartGateway, connect: Connect, idle: dict[str, float]
) -> None:
    gateway = await start_gateway(repository, **idle)
    async with stranger(gateway) as caller:
        await within(caller.closed())
        assert caller.ended is not None
    assert await connect(gateway).models() == []


async def test_a_call_that_does_not_end_is_ended_with_its_old_connection(
    repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    gateway = await start_gateway(repository, connection_age_s=0.1, connection_age_grace_s=0.1)
    async with stranger(gateway) as caller:
        watch = header_block("/grpc.health.v1.Health/Watch")
        await caller.send(request(1, watch, b""))
        await within(caller.closed())
    assert await connect(gateway).models() == []


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00"])
async def test_a_connection_that_does_not_say_what_it_is_is_closed(
    repository: Path, start_gateway: StartGateway, connect: Connect, said: bytes
) -> None:
    gateway = await start_gateway(repository, handshake_s=0.1)
    host, _, port = gateway.grpc_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    await within(reader.read())
    writer.close()
    assert await connect(gateway).models() == []


async def test_a_connection_that_never_acknowledges_the_settings_is_closed(
    repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    gateway = await start_gateway(repository, handshake_s=0.1)
    host, _, port = gateway.grpc_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS))
    await within(reader.read())
    writer.close()
    assert await connect(gateway).models() == []


async def test_no_more_connections_than_may_be_are_taken(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, max_connections=3)
    callers: list[RawCaller] = []

    async def is_answered() -> bool:
        with suppress(ConnectionError):
            callers.append(await dial(gateway.grpc_address))
            await callers[-1].send(request(1, LIST, b""))
            return "grpc-status" in (await within(callers[-1].answer()))[0]
        return False

    assert [await is_answered() for _ in range(6)] == [True] * 3 + [False] * 3
    for caller in callers:
        await caller.close()
    callers.clear()
    async with asyncio.timeout(20):
        while not await is_answered():
            pass
    for caller in callers:
        await caller.close()


@pytest.mark.parametrize("agreed", [True, False])
@pytest.mark.parametrize("size", [20_000, 1_000_000])
async def test_headers_that_are_too_big_are_refused(
    repository: Path, start_gateway: StartGateway, connect: Connect, size: int, *, agreed: bool
) -> None:
    gateway = await start_gateway(repository)
    block = header_block("/scorebridge.v1.ScoringService/ListModels", x_long="x" * size)
    async with stranger(gateway) as caller:
        if agreed:
            await caller.agree()
        parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
        frames = [frame(HEADERS, 0, 1, parts[0]), *(frame(CONTINUATION, 0, 1, part) for part in parts[1:-1])]
        await caller.send(*frames, frame(CONTINUATION, END_HEADERS, 1, parts[-1]))
        await caller.send(frame(0, 1, 1, message(b"")))
        headers, _ = await within(caller.answer())
        assert headers["grpc-status"] == "8"
    assert await connect(gateway).models() == []


@pytest.mark.parametrize("flood", ["CONTINUATION", "empty CONTINUATION", "SETTINGS", "PING"])
async def test_a_flood_of_frames_without_a_call_costs_others_nothing(
    repository: Path, start_gateway: StartGateway, connect: Connect, flood: str
) -> None:
    gateway = await start_gateway(repository)
    client = connect(gateway)
    piece = {
        "CONTINUATION": frame(CONTINUATION, 0, 1, header_block("/a/B", x_long="x" * 1000)),
        "empty CONTINUATION": frame(CONTINUATION, 0, 1),
        "SETTINGS": frame(SETTINGS),
        "PING": frame(PING, 0, 0, bytes(8)),
    }[flood]
    async with stranger(gateway) as caller:

        async def attack() -> None:
            try:
                if "CONTINUATION" in flood:
                    await caller.send(frame(HEADERS, 0, 1, SCORE))
                for _ in range(100):
                    await caller.send(piece * 50)
            except ConnectionError:
                pass

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attack())
            closing = tasks.create_task(caller.closed())
            for _ in range(100):
                assert await client.models() == []
            if flood == "PING":
                await within(asyncio.shield(closing))
                assert caller.ended in (ENHANCE_YOUR_CALM, None)  # it may be gone before it is read
            closing.cancel()
