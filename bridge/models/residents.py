"""Which versions of a model are to be resident, the two highest good ones and the promoted one, and which serves."""

from collections.abc import Collection, Iterable, Sequence

from bridge.errors import ModelNotFound, ModelNotReady
from bridge.models.version import State, Version

__all__ = ["enough", "first_to_serve", "residents"]

_GOOD_VERSIONS = 2


def residents(versions: Iterable[Version], promoted: int | None) -> list[Version]:
    """Returns those of a model's versions that are good and are to be resident, the highest first.

    Args:
        versions: versions of one model.
        promoted: the number of the version that `promote` chose; None if none was promoted.
    """
    good = sorted((one for one in versions if one.ready), key=lambda one: one.stored.version, reverse=True)
    return [one for place, one in enumerate(good) if place < _GOOD_VERSIONS or one.stored.version == promoted]


def enough(version: Version, good: Collection[Version], promoted: int | None) -> bool:
    """Whether so many higher versions are good that a version need not be resident.

    Args:
        version: the version.
        good: the good versions of its model.
        promoted: the number of the version that `promote` chose; None if none was promoted.
    """
    higher = sum(one.stored.version > version.stored.version for one in good)
    return higher >= _GOOD_VERSIONS and version.stored.version != promoted


def first_to_serve(model: str, versions: Sequence[Version]) -> Version:
    """Returns the version that stands for version 0 while none serves yet: the highest one not refused.

    Args:
        model: the name of the model.
        versions: its versions, ascending.

    Raises:
        ModelNotFound: no version is deployed.
        ModelNotReady: the version has not begun to load.
        VersionRefused: all versions are refused.
    """
    deployed = [version for version in reversed(versions) if version.state is not State.NOT_DEPLOYED]
    if not deployed:
        raise ModelNotFound(f"no version of '{model}' is deployed")
    undecided = next((version for version in deployed if version.state is not State.REFUSED), deployed[0])
    if undecided.state is State.NOT_RESIDENT:
        raise ModelNotReady(f"{undecided.ref} is still loading")
    return undecided.usable()
