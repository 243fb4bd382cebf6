"""Bodies on the HTTP port: bounded as they come, as they inflate and while they are held."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fixtures import Cancer, StartGateway, put
from http_calls import Said, ask, dialed, exchange, request_bytes
from waiting import eventually

from bridge.gateway.server import Gateway

PATH = "/v1/models/nobody:score"  # a body that is taken ends with MODEL_NOT_FOUND
GOOD = b'{"columns": {"x": [1]}}'
ZIPPED = gzip.compress(
    GOOD, mtime=0
)  # without the time: it is in the names of tests, which every process must agree on
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
MIB = 1 << 20


@pytest.fixture
def front() -> str:
    """The other port's is the same on either."""
    return "grpc"


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + last


async def said(gateway: Gateway, raw: bytes) -> Said:
    return Said.of(await exchange(gateway, raw))


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", ZIPPED),
        ("GZIP", ZIPPED),
        ("x-gzip", ZIPPED),
        ("deflate", zlib.compress(GOOD)),
        ("identity", GOOD),
        ("gzip", gzip.compress(json.dumps({"columns": {"x": [0] * 200_000}}).encode())),
    ],
)
async def test_a_compressed_body_is_inflated(
    repository: Path, start_gateway: StartGateway, coding: str, packed: bytes
) -> None:
    gateway = await start_gateway(repository)
    answer = await ask(gateway, "POST", PATH, packed, {"Content-Encoding": coding})
    assert (answer.status, answer.json["reason"]) == (404, "MODEL_NOT_FOUND")


@pytest.mark.parametrize(
    ("coding", "packed", "detail"),
    [
        ("gzip", GOOD, "the body is not compressed as its Content-Encoding says"),
        ("gzip", zlib.compress(GOOD), "the body is not compressed as its Content-Encoding says"),
        ("deflate", ZIPPED, "the body is not compressed as its Content-Encoding says"),
        ("gzip", ZIPPED[:-1], "the compressed body ends too soon"),
        ("gzip", b"", "the compressed body ends too soon"),
        ("gzip", ZIPPED + b"x", "there are bytes behind the end of the compressed body"),
        ("gzip", ZIPPED * 2, "there are bytes behind the end of the compressed body"),
    ],
)
async def test_a_body_that_is_not_compressed_as_it_says_is_refused(
    repository: Path, start_gateway: StartGateway, coding: str, packed: bytes, detail: str
) -> None:
    gateway = await start_gateway(repository)
    answer = await ask(gateway, "POST", PATH, packed, {"Content-Encoding": coding})
    assert (answer.status, answer.json["detail"]) == (400, detail)


def bomb(inflated: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(bytes(MIB)) for _ in range(inflated // MIB)]) + packer.flush()


@pytest.mark.parametrize("wrapped", [True, False])
async def test_a_gzip_bomb_is_refused_as_it_inflates(
    repository: Path, start_gateway: StartGateway, *, wrapped: bool
) -> None:
    gateway = await start_gateway(repository)
    packed = bomb(256 * MIB)
    raw = request_bytes("POST", PATH, packed, Content_Encoding="gzip")
    if wrapped:
        raw = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(packed)
    before = psutil.Process().memory_info().rss
    answer = await said(gateway, raw)
    assert answer.status == 413
    assert answer.json["detail"] == "the body is longer than the allowed 4194304 bytes; send fewer rows a call"
    assert psutil.Process().memory_info().rss - before < 64 * MIB


async def test_a_length_over_the_limit_is_refused_before_a_byte_is_taken(
    repository: Path, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(repository)
    for length in (4 * MIB + 1, 1 << 40):
        answer = await said(gateway, HEAD + f"Content-Length: {length}\r\n\r\n".encode())
        assert (answer.status, answer.json["reason"]) == (413, "TOO_LARGE")
    whole = await ask(gateway, "POST", PATH, b" " * (4 * MIB - len(GOOD)) + GOOD)
    assert whole.status == 404


async def test_whoever_still_sends_reads_that_it_was_too_much(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    got = await exchange(gateway, HEAD + b"Content-Length: 99999999\r\n\r\n" + b" " * 900_000)
    assert got.startswith(b"HTTP/1.1 413 ")


async def send_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


async def test_whoever_sends_without_end_is_hung_up_on(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    _, writer = await dialed(gateway.http_address)
    writer.write(HEAD + b"Content-Length: 99999999\r\n\r\n")
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionError):
            await send_on(writer)
    writer.transport.abort()


async def test_chunks_are_bounded_together(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, max_message_bytes=100_000)
    start = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    assert (await said(gateway, start + chunked(GOOD[:9], GOOD[9:]))).status == 404
    assert (await said(gateway, start + chunked(b" " * 60_000, GOOD))).status == 404
    assert (await said(gateway, start + chunked(*[b" " * 1000] * 101))).status == 413
    assert (await said(gateway, start + chunked(b" " * 1_000_000))).status == 413


@pytest.mark.parametrize(
    "sent",
    [
        b"g\r\nx\r\n0\r\n\r\n",
        b"-1\r\nx\r\n",
        b"1\r\nxy\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"0x1\r\nx\r\n",
        b"1 \r\nx\r\n0\r\n\r\n",
        b"1\nx\n0\n\n",
    ],
)
async def test_chunks_of_another_form_are_refused(repository: Path, start_gateway: StartGateway, sent: bytes) -> None:
    gateway = await start_gateway(repository)
    answer = await said(gateway, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + sent)
    assert answer.status == 400


SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5 5\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity, chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\n",
    ],
)
async def test_a_length_that_reads_two_ways_ends_the_connection(
    repository: Path, start_gateway: StartGateway, head: bytes
) -> None:
    gateway = await start_gateway(repository)
    got = await exchange(gateway, HEAD + head + b"\r\n" + b"0\r\n\r\n" + SMUGGLED)
    assert got.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert got.count(b"Content-Length: ") == 1


async def test_what_follows_a_chunked_body_is_not_taken_for_a_request(
    repository: Path, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(repository)
    got = await exchange(gateway, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(GOOD) + SMUGGLED)
    assert got.count(b"HTTP/1.1 404 ") == got.count(b"Content-Length: ") == 1


@pytest.mark.parametrize("head", [b"Content-Length: 50\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    repository: Path, start_gateway: StartGateway, head: bytes
) -> None:
    gateway = await start_gateway(repository, message_s=0.1)
    answer = await said(gateway, HEAD + head + b"\r\n")
    assert (answer.status, answer.json["reason"]) == (408, "DEADLINE")


async def test_a_caller_is_told_to_go_on_once_its_head_was_good(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    reader, writer = await dialed(gateway.http_address)
    writer.write(HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(GOOD))
    async with asyncio.timeout(20):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(GOOD)
        assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
    writer.transport.abort()
    refused = await said(gateway, HEAD + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
    assert refused.status == 413


async def test_bytes_that_are_held_count_for_their_caller(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository, max_inflight_bytes=100_000)
    _, writer = await dialed(gateway.http_address)
    writer.write(HEAD + b"Content-Length: 95000\r\n\r\n" + b" " * 90_000)
    inflight = vars(gateway)["_services"].inflight
    await eventually(lambda: inflight.held == 90_000)
    answer = await ask(gateway, "POST", PATH, b" " * 20_000)
    assert (answer.status, answer.json["reason"]) == (429, "OVERLOADED")
    assert answer.json["limit"] == "100000 bytes in flight"
    writer.transport.abort()
    await eventually(lambda: inflight.held == 0)
    assert (await ask(gateway, "POST", PATH, b" " * 20_000 + GOOD)).status == 404


async def test_chunks_of_a_byte_each_do_not_hold_the_event_loop(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    many = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 500_000
    assert (await said(gateway, many + chunked(GOOD))).status == 404


def windows(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


async def test_a_request_may_come_byte_by_byte(repository: Path, cancer: Cancer, start_gateway: StartGateway) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    body = {"columns": {name: [0.5] for name in cancer.names}}
    reader, writer = await dialed(gateway.http_address)
    for piece in windows(request_bytes("POST", "/v1/models/cancer:score", body), 7):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        assert Said.of(await reader.read()).status == 200
    writer.transport.abort()
