"""Public doubles for tests: what reality can't time, between a gateway and its models, its R workers and its clock."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bridge.backends import Description, Tried
from bridge.backends.rserve.header import HEADER_BYTES, pack_header, parse_header
from bridge.calls import Call, Scorer
from bridge.columns import Batch
from bridge.load import Load

__all__ = ["FakeBackend", "Fault", "FaultProxy", "ManualClock"]

_LIE_BYTES = 1 << 40
_EPOCH_S = 1000.0
_T = TypeVar("_T")


class FakeBackend:
    """A backend that takes any rows, and asks a function for their scores.

    Args:
        scorer: gives the outcome of a call.
        description: what the model says of itself.
        workers: how many calls it takes at once.
    """

    def __init__(self, scorer: Scorer, description: Description, workers: int = 1) -> None:
        self.description = description
        self.load = Load(workers)
        self.score: Scorer = scorer

    def bind(self, batch: Batch, *, alone: bool = False) -> Batch:
        """The rows as they are; all of them fit."""
        del alone
        return batch

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """The same as a score; it has no clock."""
        del days
        return Tried(await self.score(call))

    async def close(self) -> None:
        """Nothing to free."""


class ManualClock(asyncio.SelectorEventLoop):
    """An event loop whose time, from second 1000 on, passes only when all its tasks wait for it: at once, exactly."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    @classmethod
    def run(cls, main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs a coroutine function on such a loop until it is done."""
        with asyncio.Runner(loop_factory=cls) as runner:
            return runner.run(main())

    def time(self) -> float:
        """Seconds that were waited for, none of which passed."""
        return self._jumping.waited_s

    def pass_at_once(self, seconds: float) -> None:
        """As if a callback took so long."""
        self._jumping.waited_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Waits no time at all, and counts what it should have waited."""

    waited_s = _EPOCH_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.waited_s += max(0.0, timeout)
        return ready


class Fault(StrEnum):
    """What the proxy does to a connection or to its next replies."""

    NONE = "none"
    SILENT = "accepts, and never greets"
    HALF_GREETING = "greets half, and no more"
    LATE = "holds replies back until it is told to let them go"
    WRONG_LENGTH = "replies with a length that is a lie"
    WRONG_ID = "replies with the id of another request"
    HALF_REPLY = "replies half, then closes"


class FaultProxy:
    """A unix socket in front of an Rserve's, which passes everything on whole, or faulty.

    Args:
        path: where it listens.
        target: the Rserve's socket.
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
            raise ConnectionResetError("half is all there is")
        writer.write(reply)


async def _message(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(HEADER_BYTES)
    return header + await reader.readexactly(parse_header(header).length)
