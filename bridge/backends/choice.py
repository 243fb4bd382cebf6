"""The one place that picks a backend for a bundle.

A backend's own module is imported when a bundle needs it, so that neither xgboost nor R is needed where no bundle is.
"""

from pathlib import Path

from bridge.backends import Backend
from bridge.bundles.bundle import Bundle

__all__ = ["load_backend"]


async def load_backend(bundle: Bundle, cache_dir: Path | None = None) -> Backend:
    """Loads a bundle's model with the backend that it asks for.

    Args:
        bundle: to be loaded.
        cache_dir: where what took long to make is kept for the next time; None keeps nothing.

    Raises:
        BundleError: the files are damaged, don't fit their settings, or what they need is not installed.
    """
    if bundle.backend == "xgboost":
        from bridge.backends.xgboost.backend import XgboostBackend  # noqa: PLC0415 - see the module's docstring

        return await XgboostBackend.open(bundle, cache_dir)
    from bridge.backends.rserve.backend import RserveBackend  # noqa: PLC0415

    return await RserveBackend.open(bundle)
