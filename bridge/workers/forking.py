"""Starts workers by a parent that has loaded what they need and forks them, and by a new parent when that has ended."""

import asyncio
import errno
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from bridge.model_events import PARENT_ENDED
from bridge.own_log import OwnLog
from bridge.workers.background import Background
from bridge.workers.exchange import ConnectionLost, ProtocolError
from bridge.workers.process_group import ProcessGroup
from bridge.workers.spawner import PooledWorker
from bridge.workers.start_failures import LoadingProcess, why_no_worker, why_not_loaded

__all__ = ["ForkedWorker", "ForkingSpawner", "Parent", "accepted"]

_log = OwnLog(__name__)

_POLL_S = 0.01
_LONGEST_PAUSE_S = 0.25
_MOST_ENDED = 10  # connections that a parent may end one after the other; with the pauses it takes a second and a half
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_FORK_TIMEOUT_S = 10.0  # a fork with its first full collection can take seconds on a model of many small parts


class Parent(LoadingProcess, Protocol):
    """A process that loads a bundle once and forks workers."""

    loaded: bool

    @property
    def group(self) -> ProcessGroup:
        """The process group of the parent and of the workers that it forks; the parent is its program."""

    @property
    def alive(self) -> bool:
        """Whether the parent runs, so that it can fork workers."""

    async def close(self) -> None:
        """Kills the parent and its workers, waits for the parent's end, and removes its files; idempotent.

        A cancellation is raised only after that.
        """


class ForkedWorker(PooledWorker, Protocol):
    """A worker that a parent has forked."""

    @property
    def killed(self) -> bool:
        """Whether the gateway has killed the worker or has begun to."""

    @property
    def why_not(self) -> str | None:
        """Why the bundle did not load, in the worker's own words; None if it did."""

    @property
    def digest(self) -> str:
        """The digest of the bundle that the worker says to have loaded."""

    def forget(self) -> None:
        """Closes what the gateway has of the worker without a kill, where the whole group is killed."""


_P = TypeVar("_P", bound=Parent)
_W = TypeVar("_W", bound=ForkedWorker)


class ForkingSpawner(ABC, Generic[_P, _W]):
    """Starts the workers of one version, and keeps the parents that fork them.

    Args:
        digest: the digest of the bundle, which each worker must repeat.
        load_timeout_s: the time to load the bundle, in seconds.
        name: the version that the workers belong to, such as "model/version"; only the log shows it.
    """

    def __init__(self, digest: str, load_timeout_s: float, name: str) -> None:
        self._digest = digest
        self._load_timeout_s = load_timeout_s
        self._name = name
        self._parent: _P | None = None
        self._parents: dict[_P, set[_W]] = {}
        self._forking = asyncio.Lock()
        self._background = Background(name)
        self._closed = False

    @abstractmethod
    async def _start_parent(self) -> _P:
        """Starts a parent, and does not wait until it has loaded the bundle.

        Raises:
            BundleError: a program is not installed.
            OSError: no process, file descriptor or file can be made.
        """

    @abstractmethod
    async def _fork(self, parent: _P) -> _W:
        """Waits until the parent has loaded its bundle, and has it fork a worker.

        Raises:
            ConnectionLost: the parent ended, or ended several connections in a row before they gave a worker.
            ProtocolError: the process that answered is not a worker of this parent.
            OSError: the gateway has no file descriptor or memory left.
        """

    @abstractmethod
    def leaves_usable(self, error: Exception) -> bool:
        """Whether a worker whose call ended with this error can take the next call."""

    @abstractmethod
    def spent(self, worker: _W) -> bool:
        """Whether a worker is to be replaced before the next call, such as after a set number of calls."""

    @property
    def parent(self) -> _P | None:
        """The parent that forks the next worker, unless it has ended by then; None before the first was started."""
        return self._parent

    @property
    def parents(self) -> frozenset[_P]:
        """The present parent, and earlier ones that still have workers or files."""
        return frozenset(self._parents)

    async def spawn(self) -> _W:
        """Forks a worker that has loaded the bundle; starts a parent first, if none is alive.

        Raises:
            BundleError: no worker can be started; the message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """
        # One at a time: the parent forks one at a time anyway, and only one task may start a new parent.
        async with self._forking:
            parent = await self._living_parent()
            try:
                worker = await self._fork(parent)
            except (ConnectionLost, ProtocolError) as error:
                raise why_no_worker(error, parent) from error
        why_not = worker.why_not
        if why_not is None and worker.digest != self._digest:
            why_not = "the worker has loaded another bundle: its digest is not the one that was asked for"
        if why_not is not None:
            failure = why_not_loaded(why_not, parent)
            parent.group.kill_program()  # all its workers would be like this one; a new parent loads the bundle anew
            await worker.kill()
            raise failure
        parent.loaded = True
        self._parents[parent].add(worker)
        parent.group.on_exit(self._note_exit)
        return worker

    async def respawn(self) -> _W:
        """Forks a worker in the place of one that was killed, and removes parents that have ended and have no workers.

        Raises:
            TimeoutError: no worker was ready in 10 s, or in `load_timeout_s` where a parent has to load the bundle
                first. The parent was killed.
            BundleError: no worker can be started; the message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """
        await self._retire()
        forks = self._parent is not None and self._parent.alive and self._parent.loaded
        try:
            async with asyncio.timeout(_FORK_TIMEOUT_S if forks else self._load_timeout_s):
                worker = await self.spawn()
        except TimeoutError:
            if self._parent is not None:
                self._parent.group.kill_program()  # it hangs; its workers may go on
            raise
        await self._retire()  # a parent that ended meanwhile, without a worker
        return worker

    async def close(self) -> None:
        """Kills every parent and worker, and removes their folders; idempotent."""
        self._closed = True
        await self._background.close()
        for parent, workers in list(self._parents.items()):
            for worker in workers:
                # Killed by itself, perhaps, and nobody may have waited for the end of that yet. A busy one may have
                # started processes that have left the group, which ends with its parent.
                if worker.killed or worker.busy:
                    with suppress(OSError):
                        await worker.kill()
            await parent.close()
            for worker in workers:
                worker.forget()
        self._parents.clear()

    async def _living_parent(self) -> _P:
        if self._parent is None or not self._parent.alive:
            self._parent = await self._start_parent()
            self._parents[self._parent] = set()
        return self._parent

    def _note_exit(self) -> None:
        if not self._closed:
            self._background.start(self._restart())

    async def _restart(self) -> None:
        """Starts a new parent before a worker is needed, because loading the bundle may take long."""
        _log.say(PARENT_ENDED, version=self._name)
        async with self._forking:
            if not self._closed:
                await self._living_parent()

    async def _retire(self) -> None:
        """Removes the groups and folders of parents that have ended and whose last worker was killed."""
        for parent, workers in self._parents.items():
            self._parents[parent] = {worker for worker in workers if not worker.killed}
        while gone := self._unused_parent():
            del self._parents[gone]
            await gone.close()

    def _unused_parent(self) -> _P | None:
        unused = (parent for parent, workers in self._parents.items() if not workers and not parent.alive)
        return next((parent for parent in unused if parent is not self._parent), None)


async def accepted(parent: Parent, connected: Callable[[], Awaitable[_W]]) -> _W:
    """Asks a parent for a worker until it gives one: it may still load its bundle.

    There is no time limit; the caller cancels it to set one.

    Args:
        parent: the parent.
        connected: connects to the parent and returns the worker whose greeting it got.

    Raises:
        ConnectionLost: the parent ended, or ended 10 connections in a row before they gave a worker.
        ProtocolError: the process that answered is not a worker of this parent.
        OSError: the gateway has no file descriptor or memory left.
    """
    ended = 0
    while parent.alive:
        try:
            return await connected()
        except ProcessLookupError as error:
            raise ConnectionLost("the worker died right after its greeting") from error
        except ConnectionLost as error:
            # It could not fork, its workers end at once, or it has not read the gateway's own code.
            ended += 1
            if ended == _MOST_ENDED:
                raise ConnectionLost(
                    f"{parent.language} accepted {ended} connections in a row and ended each"
                ) from error
            await asyncio.sleep(min(_POLL_S * 2**ended, _LONGEST_PAUSE_S))
        except OSError as error:
            if error.errno in _OURS:
                raise
            parent.group.note_memory()
            await asyncio.sleep(_POLL_S)  # it does not listen yet
    raise ConnectionLost(f"{parent.language} ended before it accepted a connection")
