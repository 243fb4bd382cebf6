"""One R worker: a process that has the model, and the connection over which calls reach it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress

from bridge.backends.r.greeting import Greeting
from bridge.backends.rserve.connection import Connection
from bridge.backends.rserve.rvalues import RValue
from bridge.workers.exchange import ConnectionLost

__all__ = ["RWorker"]


class RWorker(ABC):
    """An R process that has the model and scores one call at a time.

    Attributes:
        connection: the connection to the worker.
        greeting: the worker's first message.
        calls: the number of calls that the worker was given so far.
    """

    def __init__(self, connection: Connection, greeting: Greeting) -> None:
        self.connection = connection
        self.greeting = greeting
        self.calls = 0

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self.greeting.pid

    @property
    def why_not(self) -> str | None:
        """Why the bundle did not load, in R's words; None if it did."""
        return self.greeting.error

    @property
    def digest(self) -> str:
        """The digest of the bundle that the worker says to have loaded."""
        return self.greeting.digest

    @property
    def lost(self) -> bool:
        """Whether the connection is lost, so that the worker can't be asked any more."""
        return self.connection.lost

    @property
    def busy(self) -> bool:
        """Whether R still works on a call."""
        return self.connection.busy

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Sets the function to call once when the connection is lost by itself, but not when the worker is killed."""
        self.connection.on_lost(callback)

    async def settled(self) -> None:
        """Waits until the worker is not busy: R has answered its last call, or the connection is lost."""
        with suppress(ConnectionLost):
            await self.connection.settled()

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
