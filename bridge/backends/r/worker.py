"""One R worker: a process that has the model, and the connection over which calls reach it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bridge.backends.r.greeting import Greeting
from bridge.backends.rserve.connection import Connection
from bridge.backends.rserve.rvalues import RValue
from bridge.workers.connected import ConnectedWorker
from bridge.workers.exchange import ConnectionLost

__all__ = ["RWorker"]


class RWorker(ConnectedWorker[Connection, Greeting], ABC):
    """An R process that has the model and scores one call at a time."""

    async def call(self, arguments: Sequence[RValue], *, trial: bool = False) -> RValue:
        """Sends the arguments of a call to R, and returns R's answer; raises what `Connection.call` does.

        Args:
            arguments: the arguments of the R function.
            trial: whether to call the function that tries rows instead of the one that scores.
        """
        self.calls += 1
        capability = self.greeting.trial if trial else self.greeting.score
        try:
            return await self.connection.call(capability, arguments)
        except ConnectionLost as error:
            error.from_outside = await self._ended_from_outside()
            raise

    @abstractmethod
    async def _ended_from_outside(self) -> bool:
        """Whether somebody else killed the worker, whose connection was lost just now."""

    @abstractmethod
    async def kill(self) -> None:
        """Kills the worker's process and every process that it started; idempotent. See `PooledWorker`."""
