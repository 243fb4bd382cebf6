"""The connection to one worker of a Python function; `scorebridge.runner.messages` states the format."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scorebridge.runner import messages
from scorebridge.runner.decoding import decode, decode_head
from scorebridge.runner.vectors import Vector

from bridge.workers.exchange import Exchange, ProtocolError
from bridge.workers.user import WorkerUser

__all__ = ["Connection", "Message"]

_AFTER_GREETING = (messages.DONE, messages.FAILED)
_FIRST_BYTES = 16 << 10  # of an answer, with its prefix, received together
_PIECE_BYTES = 192 << 10  # what a unix socket takes at once by Linux's usual limits


@dataclass(frozen=True, slots=True)
class Message:
    """A message from a worker, received whole.

    Attributes:
        kind: GREETING, DONE or FAILED.
        head: the head's JSON object.
        body: the buffers behind it.
    """

    kind: bytes
    head: dict[str, Any]
    body: memoryview

    def vectors(self) -> tuple[int, list[Vector]]:
        """Returns the number of rows, and the columns as views of the body.

        Raises:
            ProtocolError: the head does not describe the body.
        """
        try:
            return decode(self.head, self.body)
        except messages.BadMessage as error:
            raise ProtocolError(f"the Python worker's answer can't be read: {error}") from error


class Connection(Exchange[Message], asyncio.BufferedProtocol):
    """A persistent connection to a worker; see `Exchange`. A message is received into the memory that it stays in."""

    def __init__(self) -> None:
        super().__init__()
        self._kind = b""
        self._head_bytes = 0
        # Most answers come whole with their prefix; a larger one goes on in the memory that it stays in.
        self._first = bytearray(_FIRST_BYTES)
        self._received = self._first
        self._filled = 0
        self._outgoing: deque[bytes | memoryview] = deque()
        self._paused = False

    @classmethod
    async def open(cls, path: Path, user: WorkerUser | None = None) -> tuple[Self, Message]:
        """Connects to a socket and returns the connection and the greeting.

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
            return connection, await connection._greeting  # noqa: SLF001 - it is of this class
        except BaseException:
            connection.close()
            raise

    async def call(self, kind: bytes, head: dict[str, Any], vectors: Sequence[Vector]) -> Message:
        """Sends rows, and returns the answer, whose kind is DONE or FAILED.

        Cancelling does not end the exchange: wait for `settled` before the next call.

        Args:
            kind: CALL or TRIAL.
            head: what the head says beside the columns.
            vectors: the columns.

        Raises:
            ConnectionLost: the worker died, or the connection was lost before.
            ProtocolError: the answer broke the protocol, and the connection is lost.
        """
        self._ready()
        self._outgoing.extend(_pieces(messages.encode(kind, head, vectors)))
        self._send()
        return await self._answer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport; called by the event loop when the connection is made."""
        super().connection_made(transport)
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=0)  # the next piece goes when the socket has taken the last

    def pause_writing(self) -> None:
        """Sends nothing more for now; called by the event loop when the socket takes no more bytes."""
        self._paused = True

    def resume_writing(self) -> None:
        """Sends the rest; called by the event loop when the socket has taken what it was given."""
        self._paused = False
        self._send()

    def _send(self) -> None:
        while self._outgoing and not self._paused and self._transport is not None:
            self._transport.write(self._outgoing.popleft())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Returns the memory for the next bytes; called by the event loop."""
        del sizehint
        return memoryview(self._received)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Takes bytes that the worker sent, and delivers whole messages; called by the event loop."""
        self._filled += nbytes
        if self._settled.is_set():
            self._lose(ProtocolError("the Python worker sent bytes without a request"))
            return
        try:
            self._go_on()
        except ProtocolError as error:
            self._lose(error)

    def _go_on(self) -> None:
        """Begins with the part behind the prefix, or delivers the message, if all of it has arrived."""
        if self._received is self._first:
            begun = self._filled - messages.PREFIX.size
            if begun < 0:
                return
            self._kind, self._head_bytes, body_bytes = messages.PREFIX.unpack_from(self._first)
            self._check(body_bytes)
            size = self._head_bytes + body_bytes
            if begun > size:
                raise ProtocolError("the Python worker sent more than its answer")
            self._received, self._filled = bytearray(size), begun
            self._received[:begun] = memoryview(self._first)[messages.PREFIX.size : messages.PREFIX.size + begun]
        if self._filled < len(self._received):
            return
        try:
            head = decode_head(memoryview(self._received)[: self._head_bytes])
        except messages.BadMessage as error:
            raise ProtocolError(f"the Python worker's answer can't be read: {error}") from error
        message = Message(self._kind, head, memoryview(self._received)[self._head_bytes :])
        self._received, self._filled = self._first, 0
        self._deliver(message)

    def _check(self, body_bytes: int) -> None:
        if self._kind not in (_AFTER_GREETING if self._greeting.done() else (messages.GREETING,)):
            raise ProtocolError("the Python worker sent a message that is not the next one")
        if not self._head_bytes or self._head_bytes > messages.MOST_HEAD_BYTES:
            raise ProtocolError(f"the Python worker announced a head of {self._head_bytes} bytes")
        if body_bytes > messages.MOST_BODY_BYTES:
            raise ProtocolError(
                f"the Python worker announced {body_bytes} bytes; the limit is {messages.MOST_BODY_BYTES}"
            )


def _pieces(buffers: Sequence[Any]) -> Iterator[bytes | memoryview]:
    """Yields a message in pieces that a socket takes at once: asyncio copies what is left of a larger one each time."""
    gathered: list[Any] = []
    size = 0
    for buffer in buffers:
        if size + len(buffer) > _PIECE_BYTES and gathered:
            yield b"".join(gathered)
            gathered, size = [], 0
        if len(buffer) <= _PIECE_BYTES:
            gathered.append(buffer)
            size += len(buffer)
        else:
            view = memoryview(buffer)
            yield from (view[at : at + _PIECE_BYTES] for at in range(0, len(view), _PIECE_BYTES))
    if gathered:
        yield b"".join(gathered)
