"""Loads the one version of a repository that a run scores with."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.bundles.bundle import MANIFEST, Bundle, bundle_files, read_bundle
from bridge.bundles.repository import Repository, StoredVersion, check_model_name
from bridge.bundles.staging import copy_files
from bridge.errors import BundleError, ModelNotFound, PassingFailure, VersionRefused
from bridge.layers.drain import Drain
from bridge.models.acceptance import accept
from bridge.models.version import Version
from bridge.private_folders import make_folder, remove_folder
from bridge.shortages import passing_failure
from bridge.workers.programs import Programs

__all__ = ["LoadedVersion", "Loading", "load_version"]


@dataclass(frozen=True, slots=True)
class Loading:
    """How a version is loaded.

    Attributes:
        cache_dir: the folder that keeps compiled models.
        programs: the programs that compute scores.
        workers: how many calls the model scores at once, each by a thread or process; None for its own setting.
    """

    cache_dir: Path
    programs: Programs = Programs()
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that is ready to score.

    Attributes:
        version: the version.
        note: a sentence about the versions that it was taken instead of; empty if there are none.
        folder: the private folder of the bundle's copy; None if the files are not needed any more.
    """

    version: Version
    note: str
    folder: Path | None

    async def close(self) -> None:
        """Frees the model and removes the copy; may be called more than once."""
        await self.version.close()
        if self.folder is not None:
            await asyncio.to_thread(remove_folder, self.folder)


async def load_version(
    repository: Repository,
    model: str,
    number: int,
    drain: Drain,
    how: Loading,
) -> LoadedVersion:
    """Loads a version, which then needs the repository no more.

    Args:
        repository: the repository.
        model: the model's name.
        number: the version's number; 0 for the promoted one, else the highest that may serve.
        drain: the deadline for all calls.
        how: how it is loaded.

    Raises:
        ModelNotFound: there is no such model or version, or it is not deployed.
        VersionRefused: the version did not pass its checks; with number 0, none did.
        PassingFailure: the version can't be loaded now, but perhaps later.
    """
    refused: list[str] = []
    for stored in await asyncio.to_thread(_candidates, repository, model, number):
        version = Version(stored)
        try:
            folder = await _load(version, drain, how)
        except PassingFailure as error:
            # A lower version would give other scores tonight than tomorrow, for a reason that nobody would look for.
            raise PassingFailure(f"{version.ref}: {error}", private=error.private) from error
        except BundleError as error:
            refused.append(f"{version.ref} was refused: {error.in_full()}")
        else:
            return LoadedVersion(version, "; ".join(refused), folder)
    raise VersionRefused("; ".join(refused))


def _candidates(repository: Repository, model: str, number: int) -> list[StoredVersion]:
    """Returns the versions to try, in that order: as a gateway chooses the one that serves."""
    where = repository.path
    if not where.is_dir():
        raise ModelNotFound(f"the repository {where} is not a folder, or does not exist")
    try:
        versions, promoted = repository.look(check_model_name(model))
    except OSError as error:
        raise ModelNotFound(f"the folder of '{model}' in {where} can't be read: {error.strerror}") from error
    deployed = [stored for stored, is_deployed in versions.items() if is_deployed]
    if not deployed:
        raise ModelNotFound(f"{where} has no deployed version of '{model}'")
    if not number:
        return sorted(deployed, key=lambda one: (one.version != promoted, -one.version))
    chosen = [one for one in deployed if one.version == number]
    if not chosen:
        has = ", ".join(str(one.version) for one in deployed)
        raise ModelNotFound(f"{where} has no deployed version {number} of '{model}': it has {has}")
    return chosen


async def _load(version: Version, drain: Drain, how: Loading) -> Path | None:
    """Loads a version, and returns the private folder of its bundle's copy; None if it has none."""
    folder = None
    try:
        bundle = await asyncio.to_thread(_deployed, version.stored.path)
        if bundle.backend != "xgboost":  # an interpreter that has crashed reads the files again
            folder = await asyncio.to_thread(make_folder, "bundle")
            bundle = await asyncio.to_thread(_copied, bundle, folder / version.stored.model / version.stored.path.name)
        if how.workers is not None:
            bundle = replace(bundle, settings=bundle.settings.model_copy(update={"workers": how.workers}))
        version.know(bundle)
        version.begin_serving(await accept(bundle, how.cache_dir, programs=how.programs), drain)
    except BaseException as error:
        if folder is not None:
            await asyncio.to_thread(remove_folder, folder)
        if not isinstance(error, OSError):
            raise
        if (passing := passing_failure(error)) is not None:
            raise passing from error
        raise BundleError(f"a file of the bundle can't be read: {error.strerror}") from error
    return folder


def _copied(bundle: Bundle, target: Path) -> Bundle:
    target.mkdir(parents=True)
    copy_files(bundle.path, target, [*bundle_files(bundle.path, links=False), MANIFEST])
    return _deployed(target)


def _deployed(path: Path) -> Bundle:
    bundle = read_bundle(path)
    if bundle.manifest is None:
        raise BundleError("it is not deployed any more")
    return bundle
