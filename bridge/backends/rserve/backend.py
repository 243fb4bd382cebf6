"""The backend of R models whose workers are forked by an Rserve of the version's own."""

from typing import Self

from bridge.backends.r.backend import RBackend
from bridge.backends.rserve.spawner import RserveSpawner
from bridge.backends.rserve.worker import Worker
from bridge.bundles.bundle import Bundle
from bridge.workers.user import WorkerUser

__all__ = ["RserveBackend"]


class RserveBackend(RBackend[Worker]):
    """Predicts for one version of an R model, which is resident in an Rserve of its own."""

    @classmethod
    async def open(cls, bundle: Bundle, user: WorkerUser | None = None) -> Self:
        """Starts Rserve with this bundle, and waits until every worker can take calls.

        Args:
            bundle: the bundle of an R model.
            user: the user that R runs as; None for the gateway's own.

        Raises:
            BundleError: R or Rserve is not installed, or the bundle does not load; the message says why.
        """
        return await cls._open(
            bundle, lambda name: RserveSpawner(bundle.path, bundle.digest, bundle.settings, name, user)
        )
