"""One connection to a Redis server: it is asked, and what comes back is read within a bound of its size.

redis-py's own connection reads a reply whole before anybody can say that it is too long, and knows of a connection that
was closed only when it is asked again; so only hiredis, its parser, is used here.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

import hiredis

__all__ = ["Connection", "NoReply", "error_word", "is_error"]

_INCOMPLETE = object()
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
_MOST_WORD = 32
_MOST_HEAD = 32  # bytes of the line with a list's length
_MOST_ITEMS = 16


class NoReply(Exception):
    """A server did something else than to reply.

    Attributes:
        did: what it did, in words that follow the store's name.
        limit: the limit that was passed, in words; empty if none was.
        counts: whether it shows that the server can't serve; else only this one reply could not be taken.
    """

    def __init__(self, did: str, *, limit: str = "", counts: bool = True) -> None:
        super().__init__(did)
        self.did, self.limit, self.counts = did, limit, counts


def is_error(reply: Any) -> bool:
    """Whether a reply is an error of the server."""
    return isinstance(reply, hiredis.ReplyError)


def error_word(error: Any) -> str:
    """Returns the first word of an error reply, such as "WRONGTYPE": the rest may hold what was sent."""
    word = str(error).partition(" ")[0]
    return word if 0 < len(word) <= _MOST_WORD and word.isascii() and word.isupper() and word.isalpha() else "unknown"


class Connection(asyncio.Protocol):
    """A connection that is asked one thing after the other."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = False
        self._done: Callable[[list[Any] | NoReply], None] | None = None
        self._replies: list[Any] = []
        self._expected = 0
        self._most_bytes = self._left_bytes = 0
        self._most_items = 0
        self._head: bytes | None = None

    @property
    def usable(self) -> bool:
        """Whether it can be asked: it is open, and nothing is outstanding."""
        return self._open and self._done is None

    def ask(
        self,
        command: bytes,
        replies: int,
        most_bytes: int,
        done: Callable[[list[Any] | NoReply], None],
        *,
        most_items: int = _MOST_ITEMS,
    ) -> None:
        """Sends commands.

        Args:
            command: the bytes of all commands.
            replies: the number of commands, each of which has a reply.
            most_bytes: the most bytes of all replies; the connection is closed if more come.
            done: called once, with the replies or what happened instead of them; not called after `close`.
            most_items: the most items that the first reply may have, if it is a list.
        """
        self._replies, self._expected = [], replies
        self._most_bytes = self._left_bytes = most_bytes
        self._most_items, self._head = most_items, b""
        self._done = done
        if not self._open or self._transport is None:
            self._fail(NoReply("closed the connection"))
            return
        self._transport.write(command)

    async def exchange(self, command: bytes, replies: int, most_bytes: int) -> list[Any]:
        """Sends commands, and returns their replies.

        Raises:
            NoReply: something else came, or the connection was closed.
        """
        waiter: asyncio.Future[list[Any] | NoReply] = asyncio.get_running_loop().create_future()
        self.ask(command, replies, most_bytes, lambda found: None if waiter.done() else waiter.set_result(found))
        found = await waiter
        if isinstance(found, NoReply):
            raise found
        return found

    def give_up(self, why: NoReply) -> None:
        """Closes the connection at once, and tells whoever waits for replies why."""
        self._fail(why)

    def close(self) -> None:
        """Closes the connection at once; whoever waits for replies is told nothing."""
        self._open, self._done = False, None
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Returns as soon as the connection is closed."""
        if self._transport is not None:
            await asyncio.shield(self._gone)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio as soon as the connection is there."""
        self._transport, self._open = cast("asyncio.Transport", transport), True
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None and connected.family != socket.AF_UNIX:
            # A firewall may forget a connection that is idle, and then what is sent on it is lost without a word.
            for level, option, setting in _KEEPALIVE:
                connected.setsockopt(level, option, setting)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio when the connection is no more."""
        del exc
        self._open = False
        if not self._gone.done():
            self._gone.set_result(None)
        self._fail(NoReply("closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what the server sent."""
        if self._done is None:
            self.close()  # nobody asked, so nothing that comes on this connection can be told apart any more
            return
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            limit = f"{self._most_bytes} bytes"
            self._fail(NoReply(f"has an answer of more than {limit}", limit=limit, counts=False))
            return
        if self._head is not None:
            data = self._head + data
            if not self._begins_well(data):
                return
        try:
            self._reader.feed(data)
            while len(self._replies) < self._expected and (reply := self._reader.gets()) is not _INCOMPLETE:
                self._replies.append(reply)
        except (hiredis.HiredisError, ValueError, MemoryError):  # the length of a list may be any number
            self._fail(NoReply("answers with what is no reply of Redis"))
            return
        if len(self._replies) == self._expected:
            self._succeed()

    def _begins_well(self, data: bytes) -> bool:
        """Whether what came can be parsed: hiredis makes a list of any length that a server claims, 2^31 takes 20 s."""
        end = data.find(b"\r\n", 0, _MOST_HEAD)
        if data.startswith(b"*"):
            if end < 0 and len(data) < _MOST_HEAD:
                self._head = data
                return False
            length = data[1:end]
            if length != b"-1" and not (length.isdigit() and int(length) <= self._most_items):
                self._fail(NoReply("answers with something else than was asked for"))
                return False
        self._head = None
        return True

    def _succeed(self) -> None:
        done, self._done = self._done, None
        if self._reader.has_data():
            self.close()  # more than was asked for
        if done is not None:
            done(self._replies)

    def _fail(self, why: NoReply) -> None:
        done = self._done
        self.close()
        if done is not None:
            done(why)
