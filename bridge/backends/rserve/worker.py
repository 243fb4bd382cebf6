"""One R worker: a forked R process that has the model, and the connection over which calls reach it."""

from typing import Self

from bridge.backends.r.greeting import Greeting
from bridge.backends.r.worker import RWorker
from bridge.backends.rserve.connection import Connection
from bridge.backends.rserve.process import RserveProcess
from bridge.shortages import ended_from_outside
from bridge.workers.forked import ForkedProcess
from bridge.workers.forking import accepted

__all__ = ["Worker"]


class Worker(RWorker):
    """A forked R process that has the model and scores one call at a time.

    Attributes:
        process: the Rserve that forked the worker.
    """

    def __init__(self, process: RserveProcess, connection: Connection, greeting: Greeting) -> None:
        super().__init__(connection, greeting)
        self.process = process
        self._forked = ForkedProcess(greeting.pid, process.group.number, process.worker_folder(greeting.pid))

    @classmethod
    async def fork(cls, process: RserveProcess) -> Self:
        """Waits until the parent has loaded its bundle, and has it fork a worker.

        There is no time limit; the caller cancels it to set one.

        Raises:
            ConnectionLost: the parent ended, or ended 10 connections in a row before they gave a worker.
            ProtocolError: the process that answered does not run the gateway's R code, or is not the parent's.
            OSError: the gateway has no file descriptor or memory left.
        """
        return await accepted(process, lambda: cls._connected(process))

    @classmethod
    async def _connected(cls, process: RserveProcess) -> Self:
        connection, value = await Connection.open(process.socket, process.user)
        try:
            return cls(process, connection, Greeting.read(value))
        except BaseException:
            connection.close()
            raise

    @property
    def killed(self) -> bool:
        """Whether the gateway has killed the worker or has begun to."""
        return self._forked.killed

    async def _ended_from_outside(self) -> bool:
        return ended_from_outside(-self._forked.signal())

    async def kill(self) -> None:
        """Kills the worker's process and every process that it started, and removes the worker's folder; idempotent.

        A cancellation is raised only after that.

        Raises:
            OSError: the worker is killed, but the processes that it started could not be looked for.
        """
        self._forked.begin_kill()
        self.connection.close()
        await self._forked.kill()

    def forget(self) -> None:
        """Closes the connection and the process file descriptor without a kill, where the whole group is killed."""
        self.connection.close()
        self._forked.forget()
