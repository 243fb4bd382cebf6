"""Starts the R workers of one version: from an Rserve that has loaded the bundle, and from a new one when that ends."""

from pathlib import Path

from bridge.backends.rserve.connection import RemoteError
from bridge.backends.rserve.header import OUT_OF_REPLY_SPACE, R_ERROR
from bridge.backends.rserve.process import RserveProcess
from bridge.backends.rserve.worker import Worker
from bridge.bundles.settings import ModelSettings
from bridge.workers.forking import ForkingSpawner
from bridge.workers.user import WorkerUser

__all__ = ["RserveSpawner"]

_OUTSIZED_BYTES = 16 << 20  # a worker's input buffer never shrinks


class RserveSpawner(ForkingSpawner[RserveProcess, Worker]):
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
        super().__init__(digest, settings.load_timeout_s, name)
        self._bundle = bundle
        self._settings = settings
        self._user = user

    def leaves_usable(self, error: Exception) -> bool:
        """Whether a worker whose call ended with this error can take the next one: if R or Rserve answered with it."""
        return isinstance(error, RemoteError) and error.status in (R_ERROR, OUT_OF_REPLY_SPACE)

    def spent(self, worker: Worker) -> bool:
        """Whether a worker is to be replaced: after `worker_recycle_calls`, or a request over 16 MiB, which R keeps."""
        return worker.calls >= self._settings.worker_recycle_calls or worker.connection.largest_bytes > _OUTSIZED_BYTES

    async def _start_parent(self) -> RserveProcess:
        return await RserveProcess.start(self._bundle, self._digest, self._settings, self._user)

    async def _fork(self, parent: RserveProcess) -> Worker:
        return await Worker.fork(parent)
