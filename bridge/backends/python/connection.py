"""The connection to one worker of a Python function; `scorebridge.runner.messages` states the format."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scorebridge.runner import messages
from scorebridge.runner.vectors import Vector

from bridge.workers.exchange import Exchange, ProtocolError
from bridge.workers.user import WorkerUser

__all__ = ["Connection", "Message"]

_AFTER_GREETING = (messages.DONE, messages.FAILED)


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
            return messages.decode(self.head, self.body)
        except messages.BadMessage as error:
            raise ProtocolError(f"the Python worker's answer can't be read: {error}") from error


class Connection(Exchange[Message], asyncio.BufferedProtocol):
    """A persistent connection to a worker; see `Exchange`. A message is received into the memory that it stays in."""

    def __init__(self) -> None:
        super().__init__()
        self._kind = b""
        self._head_bytes = 0
        self._received = bytearray(messages.PREFIX.size)
        self._filled = 0

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
        self._ready().writelines(messages.encode(kind, head, vectors))
        return await self._answer()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Returns the memory for the next bytes; called by the event loop."""
        del sizehint
        return memoryview(self._received)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Takes bytes that the worker sent, and delivers whole messages; called by the event loop."""
        self._filled += nbytes
        if self._settled.is_set():
            self._lose(ProtocolError("the Python worker sent bytes without a request"))
        elif self._filled == len(self._received):
            try:
                self._go_on()
            except ProtocolError as error:
                self._lose(error)

    def _go_on(self) -> None:
        """Begins with the part behind the prefix, or delivers the message."""
        if not self._kind:
            self._kind, self._head_bytes, body_bytes = messages.PREFIX.unpack(self._received)
            self._check(body_bytes)
            self._received, self._filled = bytearray(self._head_bytes + body_bytes), 0
            return
        try:
            head = messages.decode_head(memoryview(self._received)[: self._head_bytes])
        except messages.BadMessage as error:
            raise ProtocolError(f"the Python worker's answer can't be read: {error}") from error
        message = Message(self._kind, head, memoryview(self._received)[self._head_bytes :])
        self._kind, self._received, self._filled = b"", bytearray(messages.PREFIX.size), 0
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
