"""The connection to a worker: one exchange at a time, whatever protocol its messages have."""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Self, TypeVar

from bridge.workers.user import WorkerUser

__all__ = ["ConnectionLost", "Exchange", "ProtocolError"]

_CREDENTIALS = struct.Struct("3i")  # pid, uid and gid, as the kernel knows them
_Reply = TypeVar("_Reply")


class ProtocolError(Exception):
    """The bytes are not what a worker sends: nothing that follows them on the connection can be trusted."""


class ConnectionLost(Exception):
    """The worker closed the connection or its socket broke.

    Attributes:
        from_outside: whether the kernel or a person killed the worker; see `ended_from_outside`.
    """

    from_outside = False


class Exchange(asyncio.BaseProtocol, Generic[_Reply]):
    """A persistent connection to a worker, which greets first, and then answers one message with one message.

    If a call is cancelled, its exchange goes on: the late reply is read whole, checked and dropped, and only then can
    the connection take another call. A message that breaks the protocol loses the connection.

    A subclass reads the messages: it calls `_deliver` for each, and `_lose` for what breaks the protocol.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._greeting: asyncio.Future[_Reply] = loop.create_future()
        self._reply: asyncio.Future[_Reply] | None = None
        self._settled = asyncio.Event()
        self._lost: Exception | None = None
        self._on_lost: Callable[[], None] | None = None

    @classmethod
    async def connect(cls, path: Path, user: WorkerUser | None = None) -> Self:
        """Connects to a unix socket.

        Args:
            path: the path of the socket.
            user: the user that has to listen on it, because the user's processes can put a link in its place; None for
                any.

        Raises:
            OSError: no process listens on the socket.
            ProtocolError: another user listens.
        """
        transport, connection = await asyncio.get_running_loop().create_unix_connection(cls, str(path))
        try:
            if user is not None:
                _require_listener(transport.get_extra_info("socket"), user)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def lost(self) -> bool:
        """Whether the connection is lost or closed."""
        return self._lost is not None

    @property
    def busy(self) -> bool:
        """Whether a reply is still to come."""
        return not self._settled.is_set()

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Sets the function to call once when the connection is lost by itself, but not after `close`."""
        self._on_lost = callback

    async def settled(self) -> None:
        """Waits until no exchange is under way.

        Raises:
            ConnectionLost: the connection is lost, so no reply will come.
        """
        await self._settled.wait()
        if self._lost is not None:
            raise ConnectionLost("the connection was lost") from self._lost

    def close(self) -> None:
        """Closes the connection at once; a call that still waits for a reply gets ConnectionLost."""
        self._on_lost = None
        self._lose(ConnectionLost("the connection was closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport; called by the event loop when the connection is made."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own contract for stream sockets
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Marks the connection as lost; called by the event loop when it ends."""
        error = ConnectionLost("the worker closed the connection")
        error.__cause__ = exc
        self._lose(error)

    def _ready(self) -> asyncio.Transport:
        """Returns the transport, over which nothing is under way.

        Raises:
            ConnectionLost: the connection was lost before.
        """
        if self._transport is None or self._lost is not None:
            raise ConnectionLost("the connection was lost before the call") from self._lost
        if self.busy:
            raise RuntimeError("one exchange at a time: the reply to the last call is still to come")
        return self._transport

    async def _answer(self) -> _Reply:
        """Waits for the reply to a message that was just written."""
        self._reply = asyncio.get_running_loop().create_future()
        self._settled.clear()
        return await self._reply

    def _deliver(self, message: _Reply | Exception) -> None:
        """Gives a message that has been received whole to whoever waits for it; an exception is raised there."""
        self._settled.set()
        waiting, self._reply = (self._reply, None) if self._greeting.done() else (self._greeting, None)
        if waiting is None or waiting.done():
            return
        if isinstance(message, Exception):
            waiting.set_exception(message)
        else:
            waiting.set_result(message)

    def _lose(self, error: Exception) -> None:
        if self._lost is not None:
            return
        self._lost = error
        if self._transport is not None:
            self._transport.abort()
        for waiting in (self._greeting, self._reply):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # marked as retrieved: asyncio would log it where nobody waits
        self._settled.set()
        if self._on_lost is not None:
            self._on_lost()


def _require_listener(connected: socket.socket, user: WorkerUser) -> None:
    """Raises ProtocolError unless a process of this user began to listen on the unix socket."""
    found = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    if _CREDENTIALS.unpack(found)[1] != user.uid:
        raise ProtocolError("the socket of the workers leads to a process of another user")
