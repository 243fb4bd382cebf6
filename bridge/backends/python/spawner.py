"""Starts the workers of a Python function, by a parent that has loaded the bundle, and a new one when it ends."""

from pathlib import Path

from bridge.backends.python.process import PythonProcess
from bridge.backends.python.worker import Worker
from bridge.bundles.settings import ModelSettings
from bridge.workers.forking import ForkingSpawner
from bridge.workers.user import WorkerUser

__all__ = ["PythonSpawner"]


class PythonSpawner(ForkingSpawner[PythonProcess, Worker]):
    """Starts the workers of one version, and keeps the parents that fork them.

    Args:
        interpreter: the path of the Python program that loads the bundle.
        bundle: the folder of the bundle to load.
        digest: the digest of the bundle, which each worker must repeat.
        settings: the model's settings, of which `load_timeout_s`, `worker_recycle_calls`, `process_limit` and what
            `PythonProcess.start` names are used.
        name: the version that the workers belong to, such as "model/version"; only the log shows it.
        user: the user that the workers run as; None for the gateway's own.
    """

    def __init__(
        self,
        interpreter: Path,
        bundle: Path,
        digest: str,
        settings: ModelSettings,
        name: str,
        *,
        user: WorkerUser | None = None,
    ) -> None:
        super().__init__(digest, settings.load_timeout_s, name)
        self._interpreter = interpreter
        self._bundle = bundle
        self._settings = settings
        self._user = user

    def leaves_usable(self, error: Exception) -> bool:
        """Whether a worker whose call ended with this error can take the next one: never, as each says it is lost."""
        del error
        return False

    def spent(self, worker: Worker) -> bool:
        """Whether a worker is to be replaced: after `worker_recycle_calls`, or if its last call left something."""
        return bool(worker.changed) or worker.calls >= self._settings.worker_recycle_calls

    async def _start_parent(self) -> PythonProcess:
        return PythonProcess.start(self._interpreter, self._bundle, self._digest, self._settings, self._user)

    async def _fork(self, parent: PythonProcess) -> Worker:
        return await Worker.fork(parent, self._settings.process_limit)
