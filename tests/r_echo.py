"""A real Rserve, configured as the gateway's own, that gives values back and compares them in R."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

import pytest
from waiting import moment

from bridge.backends.rserve import process
from bridge.backends.rserve.connection import Connection
from bridge.backends.rserve.rvalues import RInt, RList, RLogical, RNull, RString, RValue
from bridge.bundles.settings import ModelSettings

__all__ = ["Echo", "running_rserve"]

_SCRIPT = Path(__file__).parent / "r" / "echo.R"


@contextmanager
def running_rserve() -> Iterator[Path]:
    """Its socket; for a fixture that outlives one test's event loop."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(process, "_CONF", process._CONF.replace("{rscripts}/serve.R", str(_SCRIPT)))
            rserve = runner.run(process.RserveProcess.start(_SCRIPT.parent, "", ModelSettings()))
        try:
            runner.run(_answered(rserve.socket))
            yield rserve.socket
        finally:
            runner.run(rserve.close())


async def _answered(socket: Path) -> None:
    """Until then it is not even called Rserve, and would look like a process that a test has started."""
    async with Echo.connected(socket):
        pass


class Echo:
    """A connection to a worker that has tests/r/echo.R."""

    def __init__(self, connection: Connection, greeting: RList) -> None:
        self._connection = connection
        self._parts = greeting.named()

    @classmethod
    @asynccontextmanager
    async def connected(cls, socket: Path) -> AsyncIterator[Self]:
        """Forks a worker, and ends when the worker has."""
        echo = await cls._open(socket)
        pid = echo._parts["pid"]
        assert isinstance(pid, RInt)
        pidfd = os.pidfd_open(int(pid.values[0]))
        try:
            yield echo
        finally:
            ended = asyncio.Event()
            asyncio.get_running_loop().add_reader(pidfd, ended.set)
            echo._connection.close()
            await ended.wait()
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)

    @classmethod
    async def _open(cls, socket: Path) -> Self:
        async with asyncio.timeout(20):
            while True:
                try:
                    return cls(*await Connection.open(socket))
                except OSError:
                    await moment()

    async def echo(self, value: RValue) -> RValue:
        """The value, as R gives it back."""
        return await self._call("echo", value)

    async def evaluate(self, code: str, x: RValue | None = None) -> RValue:
        """What R code gives, where `x` is a value."""
        return await self._call("evaluate", RString([code]), RNull() if x is None else x)

    async def identical(self, value: RValue, code: str) -> bool:
        """Whether R takes the value for what the code gives, to the bit."""
        answer = await self._call("identical_to", value, RString([code]))
        assert isinstance(answer, RLogical)
        return bool(answer.values[0])

    async def _call(self, name: str, *arguments: RValue) -> RValue:
        capability = self._parts[name]
        assert isinstance(capability, RString)
        return await self._connection.call(capability.values[0] or "", arguments)
