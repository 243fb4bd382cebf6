"""One connection against a worker that says whatever the test has it say."""

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from r_values import message, reply_body, same
from waiting import eventually

from bridge.backends.rserve.connection import Connection, RemoteError
from bridge.backends.rserve.header import HEADER_BYTES, OC_INIT, RESPONSE_ERROR, parse_header
from bridge.backends.rserve.qap import decode
from bridge.backends.rserve.rvalues import RDouble, RInt, RList, RString, RValue
from bridge.workers.exchange import ConnectionLost, ProtocolError

GREETING = message(reply_body(RList([RInt(np.array([7], np.int32))], ["pid"])), command=OC_INIT)


class Peer:
    """What the fake worker does on its side of the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, raw: bytes) -> None:
        """Sends these bytes, all of them."""
        self._writer.write(raw)
        await self._writer.drain()

    async def received(self) -> bytes:
        """All of one request."""
        header = await self._reader.readexactly(HEADER_BYTES)
        return header + await self._reader.readexactly(parse_header(header).length)

    async def one_read(self) -> bytes:
        """What a single read gives, which for Rserve has to be the whole header."""
        return await self._reader.read(1 << 20)

    async def hung_up(self) -> None:
        """Returns when the other side has closed."""
        while await self.one_read():
            pass


Script = Callable[[Peer], Awaitable[None]]
Fake = Callable[[Script], Awaitable[Path]]


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[Fake]:
    """Makes fake workers; each script has come to its end, without an error, before the test does."""
    scripts: list[asyncio.Task[None]] = []
    servers: list[asyncio.Server] = []
    # Not tmp_path: its name can be longer than a socket's may be.
    with tempfile.TemporaryDirectory() as folder:

        async def start(script: Script) -> Path:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                scripts.append(task)
                await script(Peer(reader, writer))
                writer.close()

            path = Path(folder) / f"{len(servers)}"
            servers.append(await asyncio.start_unix_server(serve, path))
            return path

        yield start
        for server in servers:
            server.close()
        async with asyncio.timeout(5):
            await asyncio.gather(*scripts)


@pytest_asyncio.fixture
async def connect(fake: Fake) -> AsyncIterator[Callable[[Script], Awaitable[Connection]]]:
    """Makes connections to a worker that greets and then follows the script."""
    opened: list[Connection] = []

    async def connect(script: Script) -> Connection:
        async def greet_first(peer: Peer) -> None:
            await peer.say(GREETING)
            await script(peer)

        connection, _ = await Connection.open(await fake(greet_first))
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


Connect = Callable[[Script], Awaitable[Connection]]


def msg_id(request: bytes) -> int:
    return parse_header(request).msg_id


def answer(request: bytes, value: RValue) -> bytes:
    return message(reply_body(value), msg_id(request))


def header(command: int, length: int, msg_id: int) -> bytes:
    return struct.pack("<IIII", command, length & 0xFFFFFFFF, msg_id, length >> 32)


async def test_the_greeting_is_what_the_worker_said_first(fake: Fake) -> None:
    async def greets_in_pieces(peer: Peer) -> None:
        for at in range(len(GREETING)):
            await peer.say(GREETING[at : at + 1])
        await peer.hung_up()

    connection, greeting = await Connection.open(await fake(greets_in_pieces))
    assert same(greeting, decode(GREETING[HEADER_BYTES:]))
    assert not connection.lost
    connection.close()


async def test_a_worker_that_never_greets_is_left(fake: Fake) -> None:
    left = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.hung_up()
        left.set()

    path = await fake(silent)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await Connection.open(path)
    await left.wait()


@pytest.mark.parametrize("said", [b"", GREETING[:7], GREETING[:-1]])
async def test_a_worker_that_goes_before_it_has_greeted(fake: Fake, said: bytes) -> None:
    async def breaks_off(peer: Peer) -> None:
        await peer.say(said)

    with pytest.raises(ConnectionLost, match="closed the connection"):
        await Connection.open(await fake(breaks_off))


WRONG_GREETINGS = {
    "no list": message(reply_body(RString(["hello"])), command=OC_INIT),
    "no value": message(b"\x0a\x04\x00\x00\xff\xff\xff\xff", command=OC_INIT),
    "empty": message(b"", command=OC_INIT),
    "not Rserve's command": message(GREETING[HEADER_BYTES:]),
    "QAP without capabilities": b"Rsrv0103QAP1\r\n\r\n--------------\r\n",
    "far too long": header(OC_INIT, 1 << 40, 0),
}


@pytest.mark.parametrize("said", WRONG_GREETINGS.values(), ids=WRONG_GREETINGS)
async def test_what_is_no_greeting_is_refused_and_left(fake: Fake, said: bytes) -> None:
    left = asyncio.Event()

    async def mumbles(peer: Peer) -> None:
        await peer.say(said)
        await peer.hung_up()
        left.set()

    with pytest.raises(ProtocolError):
        await Connection.open(await fake(mumbles))
    await left.wait()


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Connection.open(tmp_path / "none")


async def test_header_and_body_leave_in_one_send(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    # Rserve reads a header with one recv and drops the connection if it gets less than 16 bytes.
    reads: list[bytes] = []
    writes: list[bytes] = []

    async def reads_once(peer: Peer) -> None:
        reads.append(await peer.one_read())
        await peer.say(answer(reads[0], RString(["done"])))
        await peer.hung_up()

    connection = await connect(reads_once)
    transport = connection._transport
    assert transport is not None
    send = transport.write

    def spy(data: bytes) -> None:
        writes.append(data)
        send(data)

    monkeypatch.setattr(transport, "write", spy)
    assert same(await connection.call("c", [RDouble(np.arange(100.0))]), RString(["done"]))
    assert writes == reads
    assert len(reads[0]) == HEADER_BYTES + parse_header(reads[0]).length == connection.largest_bytes


async def test_a_reply_in_pieces_of_a_byte(connect: Connect) -> None:
    async def dribbles(peer: Peer) -> None:
        for text in ("one", "two"):
            reply = answer(await peer.received(), RString([text]))
            for at in range(len(reply)):
                await peer.say(reply[at : at + 1])
        await peer.hung_up()

    connection = await connect(dribbles)
    assert same(await connection.call("c", []), RString(["one"]))
    assert same(await connection.call("c", []), RString(["two"]))


async def test_a_large_request_and_reply(connect: Connect) -> None:
    large = RDouble(np.arange(1_000_000.0))

    async def answers(peer: Peer) -> None:
        await peer.say(answer(await peer.received(), large))
        await peer.say(answer(await peer.received(), RString(["small"])))
        await peer.hung_up()

    connection = await connect(answers)
    assert same(await connection.call("c", [large]), large)
    largest = connection.largest_bytes
    assert same(await connection.call("c", []), RString(["small"]))
    assert connection.largest_bytes == largest > 8_000_000


@pytest.mark.parametrize("late", ["value", "error", "half a value"])
async def test_a_late_reply_is_dropped_and_the_next_call_gets_its_own(connect: Connect, late: str) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def dawdles(peer: Peer) -> None:
        request = await peer.received()
        reply = answer(request, RString(["late"]))
        if late == "error":
            reply = header(RESPONSE_ERROR | 127 << 24, 0, msg_id(request))
        early = len(reply) // 2 if late == "half a value" else 0
        await peer.say(reply[:early])
        asked.set()
        await may_answer.wait()
        await peer.say(reply[early:])
        await peer.say(answer(await peer.received(), RString(["own"])))
        await peer.hung_up()

    connection = await connect(dawdles)
    first = asyncio.create_task(connection.call("c", []))
    await asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(RuntimeError, match="one exchange at a time"):
        await connection.call("c", [])
    settled = asyncio.create_task(connection.settled())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(settled), 0.05)
    may_answer.set()
    await settled
    assert same(await connection.call("c", []), RString(["own"]))
    assert not connection.lost


async def test_a_worker_that_dies_after_the_caller_has_gone(connect: Connect) -> None:
    asked, may_die = asyncio.Event(), asyncio.Event()

    async def dies(peer: Peer) -> None:
        await peer.received()
        asked.set()
        await may_die.wait()

    connection = await connect(dies)
    call = asyncio.create_task(connection.call("c", []))
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    may_die.set()
    with pytest.raises(ConnectionLost):
        await connection.settled()


@pytest.mark.parametrize("status", [127, 0x4C, 2])
async def test_an_error_is_told_and_the_connection_stays(connect: Connect, status: int) -> None:
    async def refuses_once(peer: Peer) -> None:
        await peer.say(header(RESPONSE_ERROR | status << 24, 0, msg_id(await peer.received())))
        await peer.say(answer(await peer.received(), RString(["fine"])))
        await peer.hung_up()

    connection = await connect(refuses_once)
    with pytest.raises(RemoteError) as raised:
        await connection.call("c", [])
    assert raised.value.status == status
    assert same(await connection.call("c", []), RString(["fine"]))


async def test_a_reply_that_is_no_value_costs_that_call_alone(connect: Connect) -> None:
    async def babbles_once(peer: Peer) -> None:
        await peer.say(message(b"no value", msg_id(await peer.received())))
        await peer.say(answer(await peer.received(), RString(["fine"])))
        await peer.hung_up()

    connection = await connect(babbles_once)
    with pytest.raises(ProtocolError):
        await connection.call("c", [])
    assert same(await connection.call("c", []), RString(["fine"]))


async def test_a_value_that_can_not_be_sent_costs_that_call_alone(connect: Connect) -> None:
    async def answers(peer: Peer) -> None:
        await peer.say(answer(await peer.received(), RString(["fine"])))
        await peer.hung_up()

    connection = await connect(answers)
    with pytest.raises(ValueError, match="NUL"):
        await connection.call("c", [RString(["\0"])])
    assert same(await connection.call("c", []), RString(["fine"]))


WRONG_REPLIES: dict[str, Callable[[int], bytes]] = {
    "an earlier message's number": lambda number: message(reply_body(RString(["old"])), number - 1),
    "a later message's number": lambda number: message(reply_body(RString(["new"])), number + 1),
    "an error for another message": lambda number: header(RESPONSE_ERROR | 127 << 24, 0, number + 1),
    "no reply at all": lambda number: message(reply_body(RString(["x"])), number, command=0x2000F),
    "a second greeting": lambda _: GREETING,
    "a huge length": lambda number: header(0x10001, 1 << 31, number),
    "a length of 64 bits": lambda number: header(0x10001, 1 << 63, number),
}


@pytest.mark.parametrize("reply", WRONG_REPLIES.values(), ids=WRONG_REPLIES)
async def test_what_does_not_answer_the_call_loses_the_connection(
    connect: Connect, reply: Callable[[int], bytes]
) -> None:
    left = asyncio.Event()
    told: list[str] = []

    async def answers_wrongly(peer: Peer) -> None:
        await peer.say(answer(await peer.received(), RString(["right"])))
        await peer.say(reply(msg_id(await peer.received())))
        await peer.hung_up()
        left.set()

    connection = await connect(answers_wrongly)
    connection.on_lost(lambda: told.append("lost"))
    assert same(await connection.call("c", []), RString(["right"]))
    with pytest.raises(ProtocolError):
        await connection.call("c", [])
    assert connection.lost
    await left.wait()
    for again in (connection.call("c", []), connection.settled()):
        with pytest.raises(ConnectionLost):
            await again
    assert told == ["lost"]


async def test_a_second_reply_loses_the_connection(connect: Connect) -> None:
    async def answers_twice(peer: Peer) -> None:
        reply = answer(await peer.received(), RString(["once"]))
        await peer.say(reply + reply)
        await peer.hung_up()

    connection = await connect(answers_twice)
    assert same(await connection.call("c", []), RString(["once"]))
    assert connection.lost


async def test_bytes_that_nobody_asked_for_lose_the_connection(connect: Connect) -> None:
    told = asyncio.Event()

    async def talks(peer: Peer) -> None:
        await peer.say(answer(bytes(HEADER_BYTES), RString(["listen!"])))
        await peer.hung_up()

    connection = await connect(talks)
    connection.on_lost(told.set)
    if not connection.lost:
        await told.wait()
    with pytest.raises(ConnectionLost, match="before the call"):
        await connection.call("c", [])


@pytest.mark.parametrize("stray", [b"\0", b"\x01\x00\x01\x00", bytes(15)])
async def test_a_few_stray_bytes_never_shift_a_reply(connect: Connect, stray: bytes) -> None:
    async def stutters(peer: Peer) -> None:
        await peer.say(stray)
        await peer.hung_up()

    connection = await connect(stutters)
    await eventually(lambda: connection.lost)
    with pytest.raises((ConnectionLost, ProtocolError)):
        await connection.call("c", [])
    assert connection.lost


@pytest.mark.parametrize("part", [0, 5, HEADER_BYTES, HEADER_BYTES + 3])
async def test_a_worker_that_goes_in_the_middle_of_its_reply(connect: Connect, part: int) -> None:
    async def breaks_off(peer: Peer) -> None:
        reply = answer(await peer.received(), RString(["a long reply"]))
        await peer.say(reply[:part])

    connection = await connect(breaks_off)
    with pytest.raises(ConnectionLost, match="the worker closed the connection"):
        await connection.call("c", [])
    assert connection.lost


async def test_a_worker_that_goes_while_it_is_idle_is_noticed_once(connect: Connect) -> None:
    may_go = asyncio.Event()
    told: list[str] = []

    async def goes(_: Peer) -> None:
        await may_go.wait()

    connection = await connect(goes)
    connection.on_lost(lambda: told.append("lost"))
    assert not connection.lost
    may_go.set()
    await eventually(lambda: connection.lost)
    connection.close()
    assert told == ["lost"]


async def test_closing_ends_the_call_that_is_under_way(connect: Connect) -> None:
    asked = asyncio.Event()
    told: list[str] = []

    async def says_nothing(peer: Peer) -> None:
        await peer.received()
        asked.set()
        await peer.hung_up()

    connection = await connect(says_nothing)
    connection.on_lost(lambda: told.append("lost"))
    call = asyncio.create_task(connection.call("c", []))
    await asked.wait()
    connection.close()
    with pytest.raises(ConnectionLost, match="was closed"):
        await call
    assert told == []
