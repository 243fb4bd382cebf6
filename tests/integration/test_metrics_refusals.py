"""What the fronts and services refuse before it is a call is counted, each by one reason."""

import hashlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from certificates import Authority
from fixtures import Cancer, StartGateway, put
from grpc_health.v1 import health_pb2
from http_calls import ask, dialed, exchange, request_bytes
from raw_http2 import dial, header_block, request
from scorebridge.v1 import scoring_pb2 as pb
from waiting import eventually

from bridge.gateway.server import Gateway

SERVICE = "/scorebridge.v1.ScoringService/"
HEAD = "POST /v1/models/m:score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"


@pytest.fixture
def front() -> str:
    """Tests of the other one name it."""
    return "grpc"


def refusals(gateway: Gateway) -> dict[str, int]:
    return dict(gateway._services.answering.counters.refusals)


HTTP = {
    "NOT_FOUND": request_bytes("GET", "/nothing"),
    "METHOD_NOT_ALLOWED": request_bytes("POST", "/livez", {}),
    "MALFORMED": b"HELLO\r\n\r\n",
    "HEADERS_TOO_LARGE": b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    "TOO_LARGE": request_bytes("POST", "/v1/models/m:score", b" " * 1001),
    "UNSUPPORTED_MEDIA_TYPE": request_bytes("POST", "/v1/models/m:score", {}, content_type="text/plain"),
    "PERMISSION_DENIED": request_bytes("POST", "/v1/models/m:score", {}, origin="http://x"),
    "MODEL_NOT_FOUND": request_bytes("GET", "/v1/models/m"),
    "INVALID_REQUEST": f"{HEAD}Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{{}}".encode(),
    "DEADLINE": f"{HEAD}Content-Length: 9\r\n\r\n{{}}".encode(),
}


@pytest.mark.parametrize("reason", HTTP)
async def test_of_the_http_port(reason: str, repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, max_message_bytes=1000, message_s=0.1)
    await exchange(gateway, HTTP[reason])
    assert refusals(gateway) == {reason: 1}


async def test_a_wrong_line_that_only_aiohttp_sees_is_counted(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    await exchange(gateway, b"GET /livez HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n")
    assert refusals(gateway) == {"MALFORMED": 1}


async def test_the_same_in_another_dialect_of_models(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    await ask(gateway, "GET", "/v2/models/m")
    await ask(gateway, "POST", "/v2/repository/index", {"ready": 5})
    assert refusals(gateway) == {"MODEL_NOT_FOUND": 1, "INVALID_REQUEST": 1}


async def test_a_head_that_is_never_whole_and_a_connection_too_many(
    repository: Path, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(repository, handshake_s=0.1, max_connections=1)
    reader, writer = await dialed(gateway.http_address)
    writer.write(b"GET /livez HTTP/1.1\r\n")
    await writer.drain()
    await eventually(lambda: gateway._http._open)
    assert await exchange(gateway, request_bytes("GET", "/livez")) == b""
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert refusals(gateway) == {"CONNECTION_LIMIT": 1, "DEADLINE": 1}


async def test_a_connection_that_asks_nothing_is_no_refusal(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, handshake_s=0.05)
    reader, writer = await dialed(gateway.http_address)
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert refusals(gateway) == {}


async def test_a_handshake_that_fails(repository: Path, start_gateway: StartGateway, tmp_path: Path) -> None:
    served = Authority(tmp_path / "authority").issue("gateway", "DNS:localhost")
    gateway = await start_gateway(repository, tls_certificate=served.certificate, tls_key=served.key)
    assert await exchange(gateway, request_bytes("GET", "/livez")) == b""
    with pytest.raises(ssl.SSLError):
        await dialed(gateway.http_address, ssl.create_default_context())
    await eventually(lambda: refusals(gateway) == {"HANDSHAKE_FAILED": 2})


@asynccontextmanager
async def channel_to(gateway: Gateway) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        yield channel


async def code_of(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return str(caught.value.code().name)


async def ended(call: Any) -> Any:
    """An answer to a call that sends no message."""
    await call.done_writing()
    return await call


async def test_of_the_grpc_port(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, message_s=0.2, max_message_bytes=1000)
    async with channel_to(gateway) as channel:
        score, get = (channel.unary_unary(f"{SERVICE}{name}", bytes, bytes) for name in ("Score", "GetModel"))
        stream = channel.stream_unary(f"{SERVICE}Score", bytes, bytes)
        calls: list[tuple[Callable[[], Any], str, str]] = [
            (lambda: channel.unary_unary("/x.Y/Z", bytes, bytes)(b""), "UNIMPLEMENTED", "NOT_FOUND"),
            (lambda: ended(stream()), "INVALID_ARGUMENT", "NO_MESSAGE"),
            (stream, "DEADLINE_EXCEEDED", "DEADLINE"),
            (lambda: score(bytes(1001)), "RESOURCE_EXHAUSTED", "NO_MESSAGE"),
            (lambda: get(b"\xff"), "INVALID_ARGUMENT", "INVALID_REQUEST"),
            (lambda: get(b""), "NOT_FOUND", "MODEL_NOT_FOUND"),
        ]
        expected: Counter[str] = Counter()
        for call, code, reason in calls:
            assert await code_of(call()) == code
            expected[reason] += 1
            await eventually(lambda: refusals(gateway) == expected)


async def test_of_headers_that_come_before_the_limit_is_agreed(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, max_header_bytes=8192)
    caller = await dial(gateway.grpc_address)
    await caller.send(request(1, header_block(f"{SERVICE}Score", x_long="x" * 8192), b""))
    trailers, _ = await caller.answer()
    await caller.close()
    assert trailers["grpc-status"] == "8"
    assert refusals(gateway) == {"HEADERS_TOO_LARGE": 1}


async def test_of_services_that_do_not_know_the_caller(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    callers, token = tmp_path / "callers.toml", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
    known = hashlib.sha256(token.encode()).hexdigest()
    callers.write_text(f'[callers.shop]\nmodels = ["other"]\ntoken_sha256 = "{known}"\n')
    gateway = await start_gateway(repository, callers=callers)
    health = health_pb2.HealthCheckRequest(service="cancer").SerializeToString()
    by_token = [("authorization", f"Bearer {token}")]
    async with channel_to(gateway) as channel:
        for path, asked in (
            (f"{SERVICE}ListModels", b""),
            (f"{SERVICE}GetModel", pb.GetModelRequest(model="cancer").SerializeToString()),
            (f"{SERVICE}Score", pb.ScoreRequest(model="cancer").SerializeToString()),
            ("/inference.GRPCInferenceService/ServerMetadata", b""),
            ("/grpc.health.v1.Health/Check", health),
        ):
            before = refusals(gateway).get("UNAUTHENTICATED", 0)
            await code_of(channel.unary_unary(path, bytes, bytes)(asked))
            assert refusals(gateway) == {"UNAUTHENTICATED": before + 1}
        await code_of(channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)(health, metadata=by_token))
    assert refusals(gateway) == {"UNAUTHENTICATED": 5, "PERMISSION_DENIED": 1}
    for path in ("/v1/models", "/v2/models/cancer"):
        assert (await ask(gateway, "GET", path)).status == 401
    assert refusals(gateway)["UNAUTHENTICATED"] == 7


@pytest.mark.parametrize("front", ["native"])
async def test_of_the_native_front(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, max_message_bytes=1000)
    async with channel_to(gateway) as channel:
        score = channel.unary_unary(f"{SERVICE}Score", bytes, bytes)
        assert await code_of(score(bytes(1001))) == "RESOURCE_EXHAUSTED"
        assert refusals(gateway) == {"TOO_LARGE": 1}
        assert await code_of(channel.unary_unary("/x.Y/Z", bytes, bytes)(b"")) == "UNIMPLEMENTED"
        assert refusals(gateway) == {"TOO_LARGE": 1, "NOT_FOUND": 1}
