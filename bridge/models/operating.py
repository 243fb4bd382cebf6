"""Loads and unloads models for whoever operates the gateway; the files of the repository are never touched."""

from bridge.errors import ModelNotFound, ModelNotReady
from bridge.models.registry import Registry

__all__ = ["load_model", "unload_model"]


async def load_model(registry: Registry, model: str) -> None:
    """Looks at the repository again and loads what is missing of a model; undoes `unload_model`.

    Returns when each of its versions has been loaded, refused or set to wait.

    Raises:
        ModelNotFound: the repository has no model of this name, or no version of it is deployed.
        VersionRefused: no version serves, because it did not pass its checks.
        ModelNotReady: no version serves yet, or the repository can't be read.
    """
    try:
        known = model in await registry.names()
    except OSError as error:
        raise ModelNotReady("the repository can't be read, so nothing was loaded") from error
    if not known:
        raise ModelNotFound(f"the repository has no model '{model}'")
    registry.unloaded.discard(model)
    await registry.refresh_anew(model)
    if registry.serving(model) is None:
        version = registry.resolve(model)
        raise ModelNotReady(f"{version.ref} could not be loaded yet and is tried again")


async def unload_model(registry: Registry, model: str) -> None:
    """Takes all versions of a model out of memory when their calls have ended; it stays so until `load_model`.

    Returns when they are out of memory. New calls are refused with ModelNotReady at once.

    Raises:
        ModelNotFound: this gateway has no model of this name.
    """
    if not registry.versions(model):
        raise ModelNotFound(f"this gateway has no model '{model}'")
    registry.unloaded.add(model)
    await registry.refresh_anew(model)
