"""What workers of every language have in common: a process that has named itself, and the connection to it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from bridge.workers.exchange import ConnectionLost, Exchange

__all__ = ["ConnectedWorker", "WorkerGreeting"]


class WorkerGreeting(Protocol):
    """A worker's first message."""

    @property
    def pid(self) -> int:
        """The process id of the worker."""

    @property
    def error(self) -> str | None:
        """Why the bundle did not load, in the worker's own words; None if it did."""

    @property
    def digest(self) -> str:
        """The digest of the bundle that the worker says to have loaded."""


_C = TypeVar("_C", bound=Exchange[Any])
_G = TypeVar("_G", bound=WorkerGreeting)


class ConnectedWorker(Generic[_C, _G]):
    """A process that has the model and scores one call at a time.

    Attributes:
        connection: the connection to the worker.
        greeting: the worker's first message.
        calls: the number of calls that the worker was given so far.
    """

    def __init__(self, connection: _C, greeting: _G) -> None:
        self.connection = connection
        self.greeting = greeting
        self.calls = 0

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self.greeting.pid

    @property
    def why_not(self) -> str | None:
        """Why the bundle did not load, in the worker's own words; None if it did."""
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
        """Whether the worker still works on a call."""
        return self.connection.busy

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Sets the function to call once when the connection is lost by itself, but not when the worker is killed."""
        self.connection.on_lost(callback)

    async def settled(self) -> None:
        """Waits until the worker is not busy: it has answered its last call, or the connection is lost."""
        with suppress(ConnectionLost):
            await self.connection.settled()
