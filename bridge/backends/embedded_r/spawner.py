"""Starts the workers of one version, each a fresh Python process that embeds R and loads the bundle."""

import asyncio
import shutil
import sys
from pathlib import Path

from bridge.backends.embedded_r.child import CANNOT_EMBED
from bridge.backends.embedded_r.worker import EmbeddedRProcess, EmbeddedRWorker
from bridge.backends.rserve.connection import RemoteError
from bridge.backends.rserve.header import OUT_OF_REPLY_SPACE, R_ERROR
from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError
from bridge.r_facts import has_rpy2
from bridge.workers.exchange import ConnectionLost, ProtocolError
from bridge.workers.start_failures import why_no_worker, why_not_loaded
from bridge.workers.user import WorkerUser

__all__ = ["EmbeddedRSpawner"]

_END_S = 1.0  # how long a process may take to end after its connection has ended
_MAY_NOT_RUN = 126  # the exit code of a shell whose user may not run a program


class EmbeddedRSpawner:
    """Starts the workers of one version. They share nothing: each has loaded the bundle itself.

    Args:
        bundle: the folder of the bundle to load.
        digest: the digest of the bundle, which each worker must repeat.
        settings: the model's settings, of which `load_timeout_s`, `worker_recycle_calls`, `memory_limit_mb`, `seed`,
            `input`, `row_by_row` and the world are used.
        user: the user that the workers run as; None for the caller's own.
    """

    def __init__(self, bundle: Path, digest: str, settings: ModelSettings, user: WorkerUser | None = None) -> None:
        self._bundle = bundle
        self._digest = digest
        self._settings = settings
        self._user = user
        self._workers: set[EmbeddedRWorker] = set()

    async def spawn(self) -> EmbeddedRWorker:
        """Starts a worker that has loaded the bundle.

        Raises:
            BundleError: no worker can be started; the message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """
        _require_programs()
        process = EmbeddedRProcess.start(self._bundle, self._digest, self._settings, self._user)
        try:
            worker = await self._greeted(process)
        except BaseException:
            await process.close()
            raise
        self._workers = {one for one in self._workers if not one.killed} | {worker}
        return worker

    async def respawn(self) -> EmbeddedRWorker:
        """Starts a worker in the place of one that was killed.

        Raises:
            TimeoutError: the worker was not ready within `load_timeout_s`, and was killed.
            BundleError: no worker can be started; the message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """
        async with asyncio.timeout(self._settings.load_timeout_s):
            return await self.spawn()

    def leaves_usable(self, error: Exception) -> bool:
        """Whether a worker whose call ended with this error can take the next one: if R answered with it."""
        return isinstance(error, RemoteError) and error.status in (R_ERROR, OUT_OF_REPLY_SPACE)

    def spent(self, worker: EmbeddedRWorker) -> bool:
        """Whether a worker is to be replaced: after `worker_recycle_calls`."""
        return worker.calls >= self._settings.worker_recycle_calls

    async def close(self) -> None:
        """Kills every worker, and removes their folders; idempotent."""
        while self._workers:
            await self._workers.pop().kill()

    async def _greeted(self, process: EmbeddedRProcess) -> EmbeddedRWorker:
        try:
            worker = await EmbeddedRWorker.greeted(process)
        except (ConnectionLost, ProtocolError) as error:
            await _ended(process)
            if self._user is not None and process.group.exit_code == _MAY_NOT_RUN:
                raise BundleError(
                    f"worker_user '{self._user.name}' can't run {sys.executable}, in which R is embedded: install it "
                    "where that user can"
                ) from error
            if process.group.exit_code == CANNOT_EMBED:
                raise BundleError(
                    "R could not be started inside Python: 'python -m rpy2.situation' shows which R was found; it "
                    "must have been built with its shared library"
                ) from error
            raise why_no_worker(error, process) from error
        why_not = worker.greeting.error
        if why_not is None and worker.greeting.digest != self._digest:
            why_not = "the worker has loaded another bundle: its digest is not the one that was asked for"
        if why_not is not None:
            raise why_not_loaded(why_not, process)
        process.loaded = True
        return worker


def _require_programs() -> None:
    """Raises BundleError where R or rpy2 is not installed."""
    if shutil.which("R") is None:
        raise BundleError("R is not installed: there is no R on the PATH")
    if not has_rpy2():
        raise BundleError(
            "rpy2 is not installed, which embeds R: install it by pip install 'scorebridge-gateway[embedded-r]', or "
            "take --r rserve"
        )


async def _ended(process: EmbeddedRProcess) -> None:
    try:
        async with asyncio.timeout(_END_S):
            await process.group.exited()
    except TimeoutError:
        return
