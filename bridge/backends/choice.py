"""The one place that picks the backend for a bundle.

A backend's module is imported only for a bundle that needs it, so that a gateway without xgboost bundles needs no
xgboost, and one without R bundles no R.
"""

from pathlib import Path

from bridge.backends import Backend
from bridge.bundles.bundle import Bundle
from bridge.workers.programs import Programs

__all__ = ["load_backend"]


async def load_backend(
    bundle: Bundle,
    cache_dir: Path | None = None,
    programs: Programs = Programs(),
) -> Backend:
    """Loads a bundle's model with the backend that the bundle asks for.

    Args:
        bundle: the bundle to load.
        cache_dir: the folder where compiled trees are kept for the next start; None keeps none.
        programs: the programs that compute scores, and the user that they run as.

    Raises:
        BundleError: the files are damaged or don't fit their settings, or a library or program is not installed.
    """
    if bundle.backend == "xgboost":
        from bridge.backends.xgboost.backend import XgboostBackend  # noqa: PLC0415 - see the module's docstring

        return await XgboostBackend.open(bundle, cache_dir)
    if bundle.backend == "python":
        from bridge.backends.python.backend import PythonBackend  # noqa: PLC0415

        return await PythonBackend.open(bundle, programs)
    if programs.r == "embedded":
        from bridge.backends.embedded_r.backend import EmbeddedRBackend  # noqa: PLC0415

        return await EmbeddedRBackend.open(bundle, programs.user)
    from bridge.backends.rserve.backend import RserveBackend  # noqa: PLC0415

    return await RserveBackend.open(bundle, programs.user)
