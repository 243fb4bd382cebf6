"""The connection to one R worker: QAP messages, each reply checked against its request."""

import asyncio
from collections.abc import Sequence
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
from bridge.backends.rserve.qap import decode
from bridge.backends.rserve.qap_encode import encode_call
from bridge.backends.rserve.rvalues import RList, RValue
from bridge.workers.exchange import Exchange, ProtocolError
from bridge.workers.user import WorkerUser

__all__ = ["Connection", "RemoteError"]

_MOST_BYTES = 2 * MAX_REPLY_BYTES  # above all that Rserve sends: a longer message has a wrong length
_MSG_IDS = 1 << 31


class RemoteError(Exception):
    """Rserve answered with an error instead of a value; the connection stays usable.

    Attributes:
        status: R_ERROR, OUT_OF_REPLY_SPACE or another of Rserve's error numbers; below 64 it is one of R's parser.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"Rserve answered with the error status {status:#x}")
        self.status = status


class Connection(Exchange[bytearray], asyncio.Protocol):
    """A persistent connection to an R worker in Rserve's object-capability mode; see `Exchange`.

    Attributes:
        largest_bytes: the size of the largest request so far, bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._received = bytearray()
        self._header: Header | None = None
        self._msg_id = 0
        self.largest_bytes = 0

    @classmethod
    async def open(cls, path: Path, user: WorkerUser | None = None) -> tuple[Self, RList]:
        """Connects to a socket and returns the connection and the greeting, which holds the worker's capabilities.

        There is no time limit; the caller cancels it to set one, which closes the connection.

        Args:
            path: the path of the socket.
            user: the user that has to listen on it; None for any.

        Raises:
            OSError: no process listens on the socket.
            ConnectionLost: the worker closed the connection before its greeting.
            ProtocolError: the first message is not a greeting, or another user listens.
        """
        connection = await cls.connect(path, user)
        try:
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

    async def call(self, capability: str, arguments: Sequence[RValue]) -> RValue:
        """Calls the R function behind a capability, in one round trip, and returns its value.

        Cancelling does not end the exchange: wait for `settled` before the next call.

        Raises:
            ConnectionLost: the worker died, or the connection was lost before.
            ProtocolError: a message broke the protocol, and the connection is lost; or the reply is not an R value.
            RemoteError: R raised outside of the gateway's R code, or Rserve refused the call.
        """
        transport = self._ready()
        self._msg_id = (self._msg_id + 1) % _MSG_IDS
        message = encode_call(capability, arguments, self._msg_id)
        self.largest_bytes = max(self.largest_bytes, len(message))
        transport.write(message)
        return decode(await self._answer())

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
        self._deliver(RemoteError(header.status) if header.command == RESPONSE_ERROR else body)
        return True

    def _check(self, header: Header) -> None:
        if header.length > _MOST_BYTES:
            raise ProtocolError(f"the R worker announced a reply of {header.length} bytes; the limit is {_MOST_BYTES}")
        if not self._greeting.done():
            if header.command != OC_INIT:
                raise ProtocolError("the first message on the connection is not the greeting of an R worker")
        elif header.command not in (RESPONSE_OK, RESPONSE_ERROR) or header.msg_id != self._msg_id:
            raise ProtocolError("the R worker sent a message that does not answer the request")
