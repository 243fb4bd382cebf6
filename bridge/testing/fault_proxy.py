"""A proxy for tests between the gateway and an R worker, which breaks the connection on demand."""

import asyncio
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.backends.rserve.header import HEADER_BYTES, pack_header, parse_header

__all__ = ["Fault", "FaultProxy"]

_LIE_BYTES = 1 << 40


class Fault(StrEnum):
    """What the proxy does to a connection or to the next replies on it."""

    NONE = "none"
    SILENT = "accepts, and never greets"
    HALF_GREETING = "greets half, and no more"
    LATE = "holds replies back until it is told to let them go"
    WRONG_LENGTH = "replies with a length that is a lie"
    WRONG_ID = "replies with the id of another request"
    HALF_REPLY = "replies half, then closes"


class FaultProxy:
    """A unix socket that passes messages on between the gateway and an Rserve, unchanged or with a fault.

    Use it as an `async with` context; leaving closes its connections.

    Args:
        path: the socket that the proxy listens on.
        target: the socket of the Rserve.

    Attributes:
        fault: the fault that new connections and replies get from now on.
        let_go: the event that lets replies through which `Fault.LATE` holds back.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self.fault = Fault.NONE
        self.let_go = asyncio.Event()
        self._path = path
        self._target = target
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a server's callback always is one
        self._connections.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):  # Rserve is not there yet, or one side has left
                await self._serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault is Fault.SILENT:
            await reader.read()
            return
        behind, ahead = await asyncio.open_unix_connection(self._target)
        try:
            greeting = await _message(behind)
            if self.fault is Fault.HALF_GREETING:
                writer.write(greeting[: len(greeting) // 2])
                await reader.read()
                return
            writer.write(greeting)
            while True:
                # One write, because Rserve reads a header with one recv.
                ahead.write(await _message(reader))
                await self._reply(await _message(behind), writer)
        finally:
            ahead.close()

    async def _reply(self, reply: bytes, writer: asyncio.StreamWriter) -> None:
        header = parse_header(reply)
        if self.fault is Fault.LATE:
            await self.let_go.wait()
        elif self.fault is Fault.WRONG_LENGTH:
            reply = pack_header(header.command, _LIE_BYTES, header.msg_id) + reply[HEADER_BYTES:]
        elif self.fault is Fault.WRONG_ID:
            reply = pack_header(header.command, header.length, header.msg_id + 1) + reply[HEADER_BYTES:]
        elif self.fault is Fault.HALF_REPLY:
            writer.write(reply[: len(reply) // 2])
            raise ConnectionResetError("the proxy closes in the middle of a message")
        writer.write(reply)


async def _message(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(HEADER_BYTES)
    return header + await reader.readexactly(parse_header(header).length)
