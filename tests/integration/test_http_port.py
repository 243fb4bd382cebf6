"""The HTTP port: what it shows to whom, and what it does not take."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fixtures import StartGateway
from gateways import GatewayProcess
from http_calls import ask

from bridge.callers.caller import Credentials
from bridge.gateway.server import Gateway
from bridge.services.http_calls import HttpRequest

ASK = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KEEP = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def front() -> str:
    """The other port's is the same on either."""
    return "grpc"


async def within(awaited: Awaitable[Any]) -> Any:
    """What it gives, if it does so at all."""
    async with asyncio.timeout(20):
        return await awaited


async def said(gateway: Gateway, *parts: bytes) -> bytes:
    """All that comes back until the other side hangs up, which it has to do by itself."""
    host, _, port = gateway.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    got = b""
    with suppress(ConnectionError):
        writer.write(b"".join(parts))
        await writer.drain()
        while part := await within(reader.read(4096)):
            got += part
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return got


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (ASK, 200),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (b"GET /livez?verbose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
        (b"GET http://x/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
        (b"GET /%6civez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHello", 200),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 403),
        (b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /livez/../readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /livez/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /%2flivez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        (b"POST /livez HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nX: y\r\n folded\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\nHost: x\n\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", 405),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"DELETE /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"GET /livez\r\n\r\n", 400),
        (b"GET  /livez HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /livez HTTP/2.0\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"\xff\xfe /livez HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n\r\n", 431),
    ],
)
async def test_every_request_has_one_answer_that_names_no_software(
    repository: Path, start_gateway: StartGateway, caplog: pytest.LogCaptureFixture, asked: bytes, status: int
) -> None:
    gateway = await start_gateway(repository)
    got = await said(gateway, asked)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith((f"HTTP/1.1 {status} ".encode(), f"HTTP/1.0 {status} ".encode()))
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert set(names) <= {b"allow", b"content-type", b"x-content-type-options", b"content-length", b"connection"}
    assert int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) == len(body)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_head_has_the_length_and_no_body(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    got = await said(gateway, b"HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"\r\nContent-Length: 3\r\n" in got
    assert got.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("part", [b"", b"GET ", ASK[:-2], b"POST /livez HTTP/1.1\r\nContent-Length: 9\r\n"])
async def test_a_request_that_does_not_come_is_not_waited_for(
    repository: Path, start_gateway: StartGateway, part: bytes
) -> None:
    gateway = await start_gateway(repository, handshake_s=0.1)
    assert await said(gateway, part) == b""


async def test_a_caller_that_never_hangs_up_is_hung_up_on(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, connection_idle_s=0.1)
    assert (await said(gateway, KEEP, KEEP)).count(b"HTTP/1.1 200 OK") == 2


async def test_a_later_request_that_does_not_come_to_its_end_is_not_waited_for(
    repository: Path, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(repository, handshake_s=0.1)
    assert (await said(gateway, KEEP, KEEP[:-2])).count(b"HTTP/1.1 200 OK") == 1


async def test_a_connection_has_an_age(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, connection_age_s=1e-9)
    assert (await said(gateway, KEEP, KEEP)).count(b"HTTP/1.1 200 OK") == 1


async def test_no_more_connections_than_may_be_are_taken(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, max_connections=2)
    host, _, port = gateway.http_address.rpartition(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    assert await said(gateway, ASK) == b""
    for _, writer in held:
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(20):
        while not await said(gateway, ASK):
            pass


async def test_a_fault_of_ours_is_logged(
    repository: Path, start_gateway: StartGateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway(repository)
    monkeypatch.setattr(gateway.pages, "readiness", lambda: 1 / 0)
    assert (await said(gateway, ASK)).startswith(b"HTTP/1.1 500 ")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("ipv4:127.0.0.1:5", True),
        ("ipv4:127.9.9.9:5", True),
        ("ipv6:%5B::1%5D:5", True),
        ("ipv6:%5B::ffff:127.0.0.1%5D:5", True),
        ("ipv4:10.0.0.1:5", False),
        ("ipv4:192.168.1.1:5", False),
        ("ipv6:%5B::ffff:10.0.0.1%5D:5", False),
        ("ipv6:%5Bfe80::1%25eth0%5D:5", False),
        ("ipv6:%5B2001:db8::1%5D:5", False),
        ("ipv4:0.0.0.0:5", False),
    ],
)
async def test_names_and_reasons_are_for_this_machine_alone(
    repository: Path, start_gateway: StartGateway, peer: str, *, here: bool
) -> None:
    (repository / "secret" / "1").mkdir(parents=True)
    (repository / "secret" / "1" / "manifest.json").write_text("{}")
    gateway = await start_gateway(repository)
    (show,) = (route.answer for route in gateway.pages.routes() if route.pattern == "/readyz")
    answer = await show(HttpRequest("GET", "/readyz", "", {}, {}, b"", peer, Credentials(peer=peer), 0.0, 0))
    assert answer.status == 503
    if here:
        assert answer.body.startswith(b"secret/1 refused: ")
    else:
        assert answer.body == b"not ready\n"


@pytest.mark.parametrize("origin", ["https://example.com", "http://localhost:8082", "null", ""])
@pytest.mark.parametrize("path", ["/v2/repository/models/cancer/unload", "/v1/models/cancer:score"])
async def test_a_web_page_may_not_call(cancer_gateway: GatewayProcess, path: str, origin: str) -> None:
    said = await ask(cancer_gateway, "POST", path, b"", {"Origin": origin})
    assert (said.status, said.json["reason"]) == (403, "PERMISSION_DENIED")
    assert (await ask(cancer_gateway, "GET", "/v2/models/cancer/ready")).status == 200
