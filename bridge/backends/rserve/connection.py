"""The connection to one R worker: one exchange at a time, each reply checked against its request."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from bridge.backends.rserve.header import (
    HEADER_BYTES,
    MAX_REPLY_BYTES,
    OC_INIT,
    RESPONSE_ERROR,
    RESPONSE_OK,
    Header,
    parse_header,
)
from bridge.backends.rserve.qap import ProtocolError, decode
from bridge.backends.rserve.qap_encode import encode_call
from bridge.backends.rserve.rvalues import RList, RValue
from bridge.workers.user import WorkerUser

__all__ = ["Connection", "ConnectionLost", "RemoteError"]

_MOST_BYTES = 2 * MAX_REPLY_BYTES  # above all that Rserve sends: a longer message has a wrong length
_MSG_IDS = 1 << 31
_CREDENTIALS = struct.Struct("3i")  # pid, uid and gid, as the kernel knows them


class ConnectionLost(Exception):
    """The worker closed the connection or its socket broke.

    Attributes:
        from_outside: whether the kernel or a person killed the worker; see `ended_from_outside`.
    """

    from_outside = False


class RemoteError(Exception):
    """Rserve answered with an error instead of a value; the connection stays usable.

    Attributes:
        status: R_ERROR, OUT_OF_REPLY_SPACE or another of Rserve's error numbers; below 64 it is one of R's parser.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"Rserve answered with the error status {status:#x}")
        self.status = status


class Connection(asyncio.Protocol):
    """A persistent connection to an R worker in Rserve's object-capability mode.

    If a call is cancelled, its exchange goes on: the late reply is read whole, checked and dropped, and only then can
    the connection take another call. A message that breaks the protocol loses the connection.

    Attributes:
        largest_bytes: the size of the largest request so far, bytes.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._greeting: asyncio.Future[bytearray] = loop.create_future()
        self._reply: asyncio.Future[bytearray] | None = None
        self._settled = asyncio.Event()
        self._received = bytearray()
        self._header: Header | None = None
        self._msg_id = 0
        self.largest_bytes = 0
        self._lost: Exception | None = None
        self._on_lost: Callable[[], None] | None = None

    @classmethod
    async def open(cls, path: Path, user: WorkerUser | None = None) -> tuple[Self, RList]:
        """Connects to a socket and returns the connection and the greeting, which holds the worker's capabilities.

        There is no time limit; the caller cancels it to set one, which closes the connection.

        Args:
            path: the path of the socket.
            user: the user that has to listen on it, because the user's processes can put a link in its place; None for
                any.

        Raises:
            OSError: no process listens on the socket.
            ConnectionLost: the worker closed the connection before its greeting.
            ProtocolError: the first message is not a greeting, or another user listens.
        """
        transport, connection = await asyncio.get_running_loop().create_unix_connection(cls, str(path))
        try:
            if user is not None:
                _require_listener(transport.get_extra_info("socket"), user)
            return connection, await connection.greeted()
        except BaseException:
            connection.close()
            raise

    async def greeted(self) -> RList:
        """Waits for the greeting, the worker's first message; see `oc.init` in rscripts/R/worker_start.R.

        Raises:
            ConnectionLost: the worker closed the connection before its greeting.
            ProtocolError: the first message is not a greeting.
        """
        greeting = decode(await self._greeting)
        if not isinstance(greeting, RList):
            raise ProtocolError("the R worker's greeting is not a list")
        return greeting

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

    async def call(self, capability: str, arguments: Sequence[RValue]) -> RValue:
        """Calls the R function behind a capability, in one round trip, and returns its value.

        Cancelling does not end the exchange: wait for `settled` before the next call.

        Raises:
            ConnectionLost: the worker died, or the connection was lost before.
            ProtocolError: a message broke the protocol, and the connection is lost; or the reply is not an R value.
            RemoteError: R raised outside of the gateway's R code, or Rserve refused the call.
        """
        if self._transport is None or self._lost is not None:
            raise ConnectionLost("the connection was lost before the call") from self._lost
        if not self._settled.is_set():
            raise RuntimeError("one exchange at a time: the reply to the last call is still to come")
        self._msg_id = (self._msg_id + 1) % _MSG_IDS
        message = encode_call(capability, arguments, self._msg_id)
        self.largest_bytes = max(self.largest_bytes, len(message))
        self._reply = asyncio.get_running_loop().create_future()
        self._settled.clear()
        self._transport.write(message)
        body = await self._reply
        return decode(body)

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

    def data_received(self, data: bytes) -> None:
        """Takes bytes from the worker and delivers whole messages; called by the event loop."""
        self._received += data
        try:
            while self._lost is None and self._received and self._take_message():
                pass
        except ProtocolError as error:
            self._lose(error)

    def _take_message(self) -> bool:
        if self._settled.is_set():
            raise ProtocolError("the R worker sent bytes without a request")
        if self._header is None:
            if len(self._received) < HEADER_BYTES:
                return False
            self._header = parse_header(self._received)
            self._check(self._header)
        if len(self._received) < HEADER_BYTES + self._header.length:
            return False
        end = HEADER_BYTES + self._header.length
        body, header = self._received[HEADER_BYTES:end], self._header
        del self._received[:end]
        self._header = None
        self._deliver(header, body)
        return True

    def _check(self, header: Header) -> None:
        if header.length > _MOST_BYTES:
            raise ProtocolError(f"the R worker announced a reply of {header.length} bytes; the limit is {_MOST_BYTES}")
        if not self._greeting.done():
            if header.command != OC_INIT:
                raise ProtocolError("the first message on the connection is not the greeting of an R worker")
        elif header.command not in (RESPONSE_OK, RESPONSE_ERROR) or header.msg_id != self._msg_id:
            raise ProtocolError("the R worker sent a message that does not answer the request")

    def _deliver(self, header: Header, body: bytearray) -> None:
        self._settled.set()
        if not self._greeting.done():
            self._greeting.set_result(body)
            return
        reply, self._reply = self._reply, None
        if reply is None or reply.done():
            return
        if header.command == RESPONSE_ERROR:
            reply.set_exception(RemoteError(header.status))
        else:
            reply.set_result(body)

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
        raise ProtocolError("the socket of the R workers leads to a process of another user")
