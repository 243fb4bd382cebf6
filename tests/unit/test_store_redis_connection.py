"""One connection to Redis: what comes back is taken byte by byte or all at once, within its bounds."""

import asyncio
from typing import Any

import hiredis
import pytest

from bridge.features.stores.redis_connection import Connection, NoReply, error_word, is_error


class Wire(asyncio.Transport):
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keeps it."""
        self.sent += bytes(data)

    def abort(self) -> None:
        """Takes note."""
        self.aborted = True


class Asked:
    """A connection that was asked once."""

    def __init__(self, replies: int = 1, most_bytes: int = 1000, most_items: int = 4) -> None:
        self.wire, self.connection = Wire(), Connection()
        self.connection.connection_made(self.wire)
        self.found: list[Any] = []
        self.connection.ask(b"asked", replies, most_bytes, self.found.append, most_items=most_items)

    @property
    def failure(self) -> NoReply:
        """What came instead of a reply."""
        (found,) = self.found
        assert isinstance(found, NoReply)
        assert self.wire.aborted
        assert not self.connection.usable
        return found


REPLY = b"*4\r\n$4\r\n\r\n*9\r\n$-1\r\n$0\r\n\r\n$10\r\n0123456789\r\n+OK\r\n-WRONGTYPE it is\r\n*-1\r\n"


@pytest.mark.parametrize("size", range(1, len(REPLY) + 1))
async def test_replies_may_come_in_any_pieces(size: int) -> None:
    asked = Asked(replies=4)
    for at in range(0, len(REPLY), size):
        assert not asked.found
        assert not asked.connection.usable
        asked.connection.data_received(REPLY[at : at + size])
    ((rows, ok, error, none),) = asked.found
    assert (rows, ok, none) == ([b"\r\n*9", None, b"", b"0123456789"], b"OK", None)
    assert is_error(error)
    assert error_word(error) == "WRONGTYPE"
    assert asked.connection.usable
    assert asked.wire.sent == b"asked"


async def test_as_many_bytes_as_there_may_be_are_taken_and_not_one_more() -> None:
    asked = Asked(most_bytes=10)
    asked.connection.data_received(b"$4\r\nabcd\r\n")
    assert asked.found == [[b"abcd"]]
    asked = Asked(most_bytes=9)
    asked.connection.data_received(b"$4\r\nabcd")
    asked.connection.data_received(b"\r\n")
    assert (asked.failure.did, asked.failure.limit) == ("has an answer of more than 9 bytes", "9 bytes")
    assert not asked.failure.counts


async def test_a_list_may_not_claim_more_items_than_were_asked_for() -> None:
    asked = Asked(most_items=2)
    asked.connection.data_received(b"*2\r\n:1\r\n:2\r\n")
    assert asked.found == [[[1, 2]]]
    for lie in (
        b"*3\r\n",
        b"*4294967295\r\n",
        b"*" + b"9" * 40,
        b"*-\r\n",
        b"*--1\r\n",
        b"*\r\n",
        b"*1_0\r\n",
        "*²\r\n".encode(),
    ):
        asked = Asked(most_items=2)
        asked.connection.data_received(lie)
        assert asked.failure.did == "answers with something else than was asked for"


async def test_the_end_of_the_connection_is_told_to_who_waits() -> None:
    asked = Asked()
    asked.connection.data_received(b"$4\r\nab")
    asked.connection.connection_lost(None)
    assert asked.failure.did == "closed the connection"
    await asked.connection.wait_closed()
    later: list[Any] = []
    asked.connection.ask(b"more", 1, 1000, later.append)
    assert isinstance(later[0], NoReply)
    assert asked.wire.sent == b"asked"


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    asked = Asked()
    asked.connection.data_received(b"+OK\r\n")
    assert asked.connection.usable
    asked.connection.data_received(b"+OK\r\n")
    assert asked.wire.aborted
    assert not asked.connection.usable
    assert asked.found == [[b"OK"]]


async def test_what_comes_behind_the_last_reply_ends_the_connection() -> None:
    asked = Asked()
    asked.connection.data_received(b"+OK\r\n+OF ANOTHER\r\n")
    assert asked.found == [[b"OK"]]
    assert asked.wire.aborted
    assert not asked.connection.usable


async def test_who_closed_it_is_told_nothing_more() -> None:
    asked = Asked()
    asked.connection.close()
    asked.connection.data_received(b"+OK\r\n")
    asked.connection.connection_lost(None)
    assert asked.found == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("NOAUTH Authentication required.", "NOAUTH"),
        ("ERR", "ERR"),
        ("", "unknown"),
        ("sb:{g}:row 7", "unknown"),
        ("SECRET42 leaks", "unknown"),
        ("A" * 33, "unknown"),
    ],
)
def test_of_an_error_only_a_word_is_shown(text: str, word: str) -> None:
    assert error_word(hiredis.ReplyError(text)) == word
