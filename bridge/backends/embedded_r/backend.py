"""The backend of R models whose workers are Python processes that hold R: no Rserve is needed."""

from typing import Self

from bridge.backends.embedded_r.spawner import EmbeddedRSpawner
from bridge.backends.embedded_r.worker import EmbeddedRWorker
from bridge.backends.r.backend import RBackend
from bridge.bundles.bundle import Bundle
from bridge.workers.user import WorkerUser

__all__ = ["EmbeddedRBackend"]


class EmbeddedRBackend(RBackend[EmbeddedRWorker]):
    """Predicts for one version of an R model, which each worker has loaded into an R of its own."""

    @classmethod
    async def open(cls, bundle: Bundle, worker_user: WorkerUser | None = None) -> Self:
        """Starts R with this bundle in each worker, and waits until all can take calls.

        Args:
            bundle: the bundle of an R model.
            worker_user: the user that the workers run as; None for the caller's own.

        Raises:
            BundleError: R or rpy2 is not installed, or the bundle does not load; the message says why.
        """
        return await cls._open(
            bundle, lambda _: EmbeddedRSpawner(bundle.path, bundle.digest, bundle.settings, worker_user)
        )
