"""What a pool asks of a backend: a worker, and the answers to three questions about it."""

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["PooledWorker", "Spawner"]


class PooledWorker(Protocol):
    """A process that works on one call at a time; how it is asked is between the backend and its workers."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def lost(self) -> bool:
        """It has ended, or can't be asked any more."""

    @property
    def busy(self) -> bool:
        """It works on what it was asked; a lost one does not."""

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Calls back once, when it is lost by itself; not when it is killed."""

    async def settled(self) -> None:
        """Returns once it is busy no more; a late answer was read and dropped. Cancelling changes nothing."""

    async def kill(self) -> None:
        """Ends the process and what it started; idempotent. A cancellation waits until that is done.

        Raises:
            OSError: the process is ended, but what it started could not be looked for.
        """


_W = TypeVar("_W", bound=PooledWorker)


class Spawner(Protocol[_W]):
    """How workers of one version are started, when they are spent, and which errors leave them usable.

    What workers have in common, such as a parent that forks them, is the spawner's to start, keep, replace and end.
    """

    async def spawn(self) -> _W:
        """Starts a worker that is ready for its first call. Cancel it to limit the time.

        Raises:
            BundleError: it can't be had, and why; `PassingFailure` if that may pass.
            OSError: a process, a descriptor or memory can't be had.
        """

    async def respawn(self) -> _W:
        """Starts a worker in the place of one that was killed, and removes what nobody uses any more.

        Raises:
            TimeoutError: not within the time that it gives itself; what hung was given up, and the next may do better.
            BundleError: as `spawn`.
            OSError: as `spawn`.
        """

    def leaves_usable(self, error: Exception) -> bool:
        """The worker whose call ended with this error is as good as before."""

    def spent(self, worker: _W) -> bool:
        """It has served its time, and is to be replaced before the next call."""

    async def close(self) -> None:
        """Ends everything that it has started, workers included; idempotent."""
