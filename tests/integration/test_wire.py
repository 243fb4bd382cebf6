"""gRPC as its specification has it (PROTOCOL-HTTP2.md), asked by a caller that does not keep to it."""

import asyncio
import signal
from pathlib import Path

import pytest
from fixtures import StartGateway
from gateways import GatewayProcess
from raw_http2 import DATA, END_HEADERS, END_STREAM, HEADERS, dial, frame, header_block, message, request

from bridge.gateway.server import Gateway

LIST = "/scorebridge.v1.ScoringService/ListModels"
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, INTERNAL = "0", "3", "4", "13"


async def answer(gateway: Gateway, *frames: bytes) -> dict[str, str]:
    """How a call ended that was sent so."""
    caller = await dial(gateway.grpc_address)
    try:
        await caller.send(*frames)
        async with asyncio.timeout(20):
            headers, _ = await caller.answer()
    finally:
        await caller.close()
    return headers


@pytest.mark.parametrize("given", ["-1S", "1.5S", "", "1", "S", "1s", "+1S", "1SS", "0x1S", "1e3S", "inf", "1S,1S"])
async def test_a_deadline_that_is_none_is_refused(
    repository: Path, start_gateway: StartGateway, front: str, given: str
) -> None:
    gateway = await start_gateway(repository)
    headers = await answer(gateway, request(1, header_block(LIST, grpc_timeout=given), b""))
    if front == "native":
        assert headers["grpc-status"] == INVALID_ARGUMENT
        sentence = "grpc-timeout must be 1 to 8 digits and one of H, M, S, m, u and n"
        assert headers["grpc-message"].replace("%20", " ") == sentence
    else:
        assert headers["grpc-status"] == INTERNAL
        assert headers["grpc-message"] == "Error parsing 'grpc-timeout' metadata"


@pytest.mark.parametrize("given", ["123456789S", " 1S", "1 S", "00000000001S"])
async def test_a_deadline_that_only_one_front_takes_for_one(
    repository: Path, start_gateway: StartGateway, front: str, given: str
) -> None:
    gateway = await start_gateway(repository)
    headers = await answer(gateway, request(1, header_block(LIST, grpc_timeout=given), b""))
    assert headers["grpc-status"] == (INVALID_ARGUMENT if front == "native" else OK)


@pytest.mark.parametrize("given", ["99999999H", "1M", "00000009S", "99999999m", "99999999u", "99999999n"])
async def test_a_deadline_is_taken_in_every_unit(
    repository: Path, start_gateway: StartGateway, front: str, given: str
) -> None:
    del front
    gateway = await start_gateway(repository)
    headers = await answer(gateway, request(1, header_block(LIST, grpc_timeout=given), b""))
    assert headers["grpc-status"] in (OK, DEADLINE_EXCEEDED)  # the last one is a tenth of a second


async def test_a_call_without_a_message_is_refused(repository: Path, start_gateway: StartGateway, front: str) -> None:
    gateway = await start_gateway(repository)
    end = frame(DATA, END_STREAM, 1)
    torn = frame(DATA, END_STREAM, 1, message(b"some bytes")[:-1])
    for sent in (end, torn):
        headers = await answer(gateway, frame(HEADERS, END_HEADERS, 1, header_block(LIST)), sent)
        assert headers["grpc-status"] == (INTERNAL if front == "native" else INVALID_ARGUMENT)
    headers = await answer(gateway, frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(LIST)))
    assert headers["grpc-status"] == (INTERNAL if front == "native" else INVALID_ARGUMENT)


@pytest.mark.parametrize("method", ["GET", "DELETE", "get"])
async def test_grpc_aio_takes_no_other_method(
    repository: Path, start_gateway: StartGateway, front: str, method: str
) -> None:
    gateway = await start_gateway(repository)
    headers = await answer(gateway, request(1, header_block(LIST, method=method), b""))
    # pygrpc-native neither looks at it nor hands it over: see docs/security.md.
    assert (headers.get("grpc-status") == OK) == (front == "native")


async def test_what_grpc_core_can_not_read_is_no_line_in_the_log(repository: Path, tmp_path: Path, front: str) -> None:
    config, log = tmp_path / "gateway.toml", tmp_path / "log"
    config.write_text(f"front = '{front}'\n")
    with log.open("w") as stderr:
        gateway = GatewayProcess(repository, config, stderr=stderr)
    try:
        caller = await dial(gateway.url)
        block = header_block(LIST, grpc_timeout="-1S")
        await caller.send(*(request(stream, block, b"") for stream in range(1, 101, 2)))
        async with asyncio.timeout(20):
            headers, _ = await caller.answer(99)
        assert headers
        await caller.close()
    finally:
        gateway.end(signal.SIGTERM)
    assert log.read_text().count("\n") < 10
