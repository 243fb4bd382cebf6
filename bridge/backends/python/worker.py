"""One worker: a forked interpreter that has the model, and the connection over which calls reach it."""

from collections.abc import Sequence
from typing import Any, Self

from scorebridge.runner.vectors import Vector

from bridge.backends.python.connection import Connection, Message
from bridge.backends.python.greeting import Greeting
from bridge.backends.python.process import PythonProcess
from bridge.shortages import ended_from_outside, signal_name
from bridge.workers.connected import ConnectedWorker
from bridge.workers.crowd import Crowd
from bridge.workers.exchange import ConnectionLost
from bridge.workers.forked import ForkedProcess
from bridge.workers.forking import accepted

__all__ = ["Worker"]


class Worker(ConnectedWorker[Connection, Greeting]):
    """A forked interpreter that has the model and scores one call at a time.

    Attributes:
        process: the parent that forked the worker.
        changed: what the last call has left behind that the next one must not meet, in words; empty if nothing.
    """

    def __init__(self, process: PythonProcess, connection: Connection, greeting: Greeting, process_limit: int) -> None:
        super().__init__(connection, greeting)
        self.process = process
        self.changed = ""
        self._forked = ForkedProcess(greeting.pid, process.group.number, process.worker_folder(greeting.pid))
        self._crowd = Crowd(greeting.pid, process_limit, lambda: self.busy, self._disperse)

    @classmethod
    async def fork(cls, process: PythonProcess, process_limit: int) -> Self:
        """Waits until the parent has loaded its bundle, and has it fork a worker.

        There is no time limit; the caller cancels it to set one.

        Args:
            process: the parent.
            process_limit: the most processes of the worker, itself and what it has started; if a call has more, the
                worker is killed with them.

        Raises:
            ConnectionLost: the parent ended, or ended 10 connections in a row before they gave a worker.
            ProtocolError: the process that answered is not a worker of this parent.
            OSError: the gateway has no file descriptor or memory left.
        """
        return await accepted(process, lambda: cls._connected(process, process_limit))

    @classmethod
    async def _connected(cls, process: PythonProcess, process_limit: int) -> Self:
        connection, greeting = await Connection.open(process.socket, process.user)
        try:
            return cls(process, connection, Greeting.read(greeting), process_limit)
        except BaseException:
            connection.close()
            raise

    @property
    def killed(self) -> bool:
        """Whether the gateway has killed the worker or has begun to."""
        return self._forked.killed

    async def call(self, kind: bytes, head: dict[str, Any], vectors: Sequence[Vector]) -> Message:
        """Sends rows to the worker, and returns its answer; see `Connection.call`.

        Raises:
            ConnectionLost: the worker died, or was killed because it had more processes than it may have; the message
                says by which signal, if that is known, or by which limit.
            ProtocolError: the answer broke the protocol, and the connection is lost.
        """
        self.calls += 1
        # Until it has answered: a late answer to a call that was cancelled is dropped, and what it says with it.
        self.changed = "its last call was not waited for"
        self._crowd.watch()
        try:
            answer = await self.connection.call(kind, head, vectors)
        except ConnectionLost as error:
            if self._crowd.exceeded:
                limit = self._crowd.limit
                raise ConnectionLost(f"it had more than {limit} processes (process_limit), and was killed") from error
            number = self._forked.signal()
            lost = ConnectionLost(f"it ended {signal_name(-number)}" if number else str(error))
            lost.from_outside = ended_from_outside(-number)
            raise lost from error
        self.changed = str(answer.head.get("changed", ""))
        return answer

    async def kill(self) -> None:
        """Kills the worker's process and every process that it started, and removes the worker's folder; idempotent.

        A cancellation is raised only after that.

        Raises:
            OSError: the worker is killed, but the processes that it started could not be looked for.
        """
        self._crowd.close()
        self._forked.begin_kill()
        self.connection.close()
        await self._forked.kill()

    def forget(self) -> None:
        """Closes the connection and the process file descriptor without a kill, where the whole group is killed."""
        self._crowd.close()
        self.connection.close()
        self._forked.forget()

    def _disperse(self) -> None:
        """Begins to kill a worker that has too many processes; whoever gives it back awaits the end by `kill`."""
        self._forked.begin_kill()
        self.connection.close()
