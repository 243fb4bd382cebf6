"""Starts the R workers of one version: from an Rserve that has loaded the bundle, and from a new one when that ends."""

import asyncio
from pathlib import Path

from bridge.backends.r.start_failures import why_no_worker, why_not_loaded
from bridge.backends.rserve.connection import ConnectionLost, RemoteError
from bridge.backends.rserve.header import OUT_OF_REPLY_SPACE, R_ERROR
from bridge.backends.rserve.process import RserveProcess
from bridge.backends.rserve.qap import ProtocolError
from bridge.backends.rserve.worker import Worker
from bridge.bundles.settings import ModelSettings
from bridge.model_events import RSERVE_ENDED
from bridge.own_log import OwnLog
from bridge.workers.background import Background
from bridge.workers.user import WorkerUser

__all__ = ["RserveSpawner"]

_log = OwnLog(__name__)

_FORK_TIMEOUT_S = 10.0  # a fork with its first full collection can take seconds on a model of many small parts
_OUTSIZED_BYTES = 16 << 20  # a worker's input buffer never shrinks


class RserveSpawner:
    """Starts the R workers of one version, and keeps the Rserve parents that fork them.

    Args:
        bundle: the folder of the bundle to load.
        digest: the digest of the bundle, which each worker must repeat.
        settings: the model's settings, of which `load_timeout_s`, `worker_recycle_calls`, `memory_limit_mb`, `seed`,
            `input`, `row_by_row` and the world are used.
        name: the version that the workers belong to, such as "model/version"; only the log shows it.
        user: the user that R runs as; None for the gateway's own.
    """

    def __init__(
        self, bundle: Path, digest: str, settings: ModelSettings, name: str, user: WorkerUser | None = None
    ) -> None:
        self._bundle = bundle
        self._digest = digest
        self._settings = settings
        self._name = name
        self._user = user
        self._parent: RserveProcess | None = None
        self._parents: set[RserveProcess] = set()
        self._workers: set[Worker] = set()
        self._forking = asyncio.Lock()
        self._background = Background(name)
        self._closed = False

    @property
    def parent(self) -> RserveProcess | None:
        """The parent that forks the next worker, unless it has ended by then; None before the first was started."""
        return self._parent

    @property
    def parents(self) -> frozenset[RserveProcess]:
        """The present parent, and earlier ones that still have workers or files."""
        return frozenset(self._parents)

    async def spawn(self) -> Worker:
        """Forks a worker that has loaded the bundle; starts a parent first, if none is alive.

        Raises:
            BundleError: no worker can be started; the message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """
        # One at a time: the parent forks one at a time anyway, and only one task may start a new parent.
        async with self._forking:
            parent = await self._living_parent()
            try:
                worker = await Worker.fork(parent)
            except (ConnectionLost, ProtocolError) as error:
                raise why_no_worker(error, parent) from error
        why_not = worker.greeting.error
        if why_not is None and worker.greeting.digest != self._digest:
            why_not = "the worker has loaded another bundle: its digest is not the one that was asked for"
        if why_not is not None:
            failure = why_not_loaded(why_not, parent)
            parent.group.kill_program()  # all its workers would be like this one; a new parent loads the bundle anew
            await worker.kill()
            raise failure
        parent.loaded = True
        self._workers.add(worker)
        parent.group.on_exit(self._note_exit)
        return worker

    async def respawn(self) -> Worker:
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
            async with asyncio.timeout(_FORK_TIMEOUT_S if forks else self._settings.load_timeout_s):
                worker = await self.spawn()
        except TimeoutError:
            if self._parent is not None:
                self._parent.group.kill_program()  # it hangs; its workers may go on
            raise
        await self._retire()  # a parent that ended meanwhile, without a worker
        return worker

    def leaves_usable(self, error: Exception) -> bool:
        """Whether a worker whose call ended with this error can take the next one: if R or Rserve answered with it."""
        return isinstance(error, RemoteError) and error.status in (R_ERROR, OUT_OF_REPLY_SPACE)

    def spent(self, worker: Worker) -> bool:
        """Whether a worker is to be replaced: after `worker_recycle_calls`, or a request over 16 MiB, which R keeps."""
        return worker.calls >= self._settings.worker_recycle_calls or worker.connection.largest_bytes > _OUTSIZED_BYTES

    async def close(self) -> None:
        """Kills every parent and worker, and removes their folders; idempotent."""
        self._closed = True
        await self._background.close()
        for parent in list(self._parents):
            await parent.close()
        self._parents.clear()
        for worker in self._workers:
            worker.forget()
        self._workers.clear()

    async def _living_parent(self) -> RserveProcess:
        if self._parent is None or not self._parent.alive:
            self._parent = await RserveProcess.start(self._bundle, self._digest, self._settings, self._user)
            self._parents.add(self._parent)
        return self._parent

    def _note_exit(self) -> None:
        if not self._closed:
            self._background.start(self._restart())

    async def _restart(self) -> None:
        """Starts a new parent before a worker is needed, because loading the bundle may take long."""
        _log.say(RSERVE_ENDED, version=self._name)
        async with self._forking:
            if not self._closed:
                await self._living_parent()

    async def _retire(self) -> None:
        """Removes the groups and folders of parents that have ended and whose last worker was killed."""
        self._workers = {worker for worker in self._workers if not worker.killed}
        while gone := self._unused_parent():
            self._parents.discard(gone)
            await gone.close()

    def _unused_parent(self) -> RserveProcess | None:
        used = {self._parent, *(worker.process for worker in self._workers)}
        return next((parent for parent in self._parents if parent not in used and not parent.alive), None)
