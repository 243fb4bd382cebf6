"""What a backend provides for a pool: its workers, and a spawner that starts and judges them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["PooledWorker", "Spawner"]


class PooledWorker(Protocol):
    """A process that works on one call at a time; how a call reaches it is the backend's own matter."""

    @property
    def pid(self) -> int:
        """The process id of the worker."""

    @property
    def lost(self) -> bool:
        """Whether the worker has ended or can't be asked any more."""

    @property
    def busy(self) -> bool:
        """Whether the worker still works on a call; False for a lost worker."""

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Sets the function to call once when the worker is lost by itself, but not when `kill` ends it."""

    async def settled(self) -> None:
        """Waits until the worker is not busy; a late answer is read and dropped. Cancelling ends only the wait."""

    async def kill(self) -> None:
        """Kills the worker's process and every process that it started; idempotent.

        A cancellation is raised only after that.

        Raises:
            OSError: the worker is killed, but the processes that it started could not be looked for.
        """


_W = TypeVar("_W", bound=PooledWorker)


class Spawner(Protocol[_W]):
    """Starts the workers of one version, and says when one is spent and which errors leave it usable.

    The spawner also starts, keeps, replaces and ends what its workers share, such as a parent that forks them.
    """

    async def spawn(self) -> _W:
        """Starts a worker that is ready for its first call. There is no time limit; the caller cancels it to set one.

        Raises:
            BundleError: no worker can be started; the message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """

    async def respawn(self) -> _W:
        """Starts a worker in the place of one that was killed, and removes what no worker uses any more.

        Raises:
            TimeoutError: the worker was not ready within the spawner's own time limit. What hung was killed, so
                another attempt may succeed.
            BundleError: no worker can be started; the message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """

    def leaves_usable(self, error: Exception) -> bool:
        """Whether a worker whose call ended with this error can take the next call."""

    def spent(self, worker: _W) -> bool:
        """Whether a worker is to be replaced before the next call, such as after a set number of calls."""

    async def close(self) -> None:
        """Kills every process that the spawner has started, workers included; idempotent."""
