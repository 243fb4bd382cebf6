"""Keeps the versions of all models: loads them as the repository says, and chooses which version serves."""

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from bridge.bundles.bundle import read_bundle
from bridge.bundles.lookout import Lookout
from bridge.bundles.repository import Repository, StoredVersion
from bridge.errors import BundleError, ModelNotFound, ModelNotReady, PassingFailure
from bridge.layers.drain import Drain
from bridge.models.acceptance import accept
from bridge.models.retries import Retries
from bridge.models.version import State, Version
from bridge.shortages import passing_failure
from bridge.workers.user import WorkerUser

__all__ = ["Registry"]

_log = logging.getLogger(__name__)

_GOOD_VERSIONS = 2
_MOST_LOADING = 4  # at once: each has a time limit, which many at once would all miss on few cores


class Registry:
    """The models of one repository and their versions, resident or not.

    Args:
        repository: the folder that holds the bundles of all models.
        on_change: called with a model's name whenever another version may serve, or none.
        drain: the gateway's deadline for all calls.
        cache_dir: the folder that keeps compiled models for the next start; None keeps nothing.
        worker_user: the user that worker processes run as; None for the gateway's own.
        log_model_messages: whether the messages of errors that models raise are written to the gateway's own log.
    """

    def __init__(
        self,
        repository: Repository,
        on_change: Callable[[str], None] = lambda _: None,
        drain: Drain | None = None,
        cache_dir: Path | None = None,
        *,
        worker_user: WorkerUser | None = None,
        log_model_messages: bool = False,
    ) -> None:
        self._cache_dir = cache_dir
        self._worker_user = worker_user
        self._log_model_messages = log_model_messages
        self._lookout = Lookout(repository)
        self._promoted: dict[str, int | None] = {}
        self._drain = drain or Drain()
        self._on_change = on_change
        self._models: dict[str, dict[int, Version]] = {}
        self._serving: dict[str, Version] = {}
        self._refreshing: dict[str, asyncio.Task[None]] = {}
        self._unloading: dict[asyncio.Task[None], Version] = {}
        self._loading = asyncio.Semaphore(_MOST_LOADING)
        self._retries = Retries(self._load_again)

    async def refresh(self) -> None:
        """Loads and unloads versions until they agree with the repository; returns when every version is decided.

        New versions are loaded beside the old ones, one at a time for each model; the old ones are unloaded afterwards.
        A version that could not be loaded for a reason that may pass counts as decided: it waits, and is retried.
        """
        if refreshing := await self.begin_refresh():
            await asyncio.wait(refreshing)  # a failure of one is logged, and does not hold up the others

    async def begin_refresh(self) -> list[asyncio.Task[None]]:
        """Begins to do what `refresh` does; returns a task for each model, so that no model holds up another."""
        for model in await self._names():
            if model not in self._refreshing:
                task = asyncio.get_running_loop().create_task(self._refresh_model(model))
                self._refreshing[model] = task
                task.add_done_callback(partial(self._end_refresh, model))
        return list(self._refreshing.values())

    async def watch(self, interval_s: float) -> None:
        """Follows changes of the repository: begins a refresh every `interval_s` seconds until it is cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.begin_refresh()
            except OSError as error:
                _log.warning("the repository can't be read, which is tried again in %g s: %s", interval_s, error)
            except Exception:  # noqa: BLE001 - later changes must still be seen
                _log.exception("the repository can't be read because of an unexpected error, which is tried again")

    async def discover(self) -> None:
        """Learns which models and versions the repository holds, without loading any.

        Raises:
            OSError: the repository can't be read.
        """
        await asyncio.gather(*(self._look(model) for model in await self._names()))

    async def is_there(self) -> bool:
        """Whether the repository is a folder; also true while its file system does not answer."""
        return await self._lookout.is_folder()

    def hanging(self) -> dict[str, int]:
        """Returns the number of reads of the repository that hang beyond their time limit, by what is read."""
        return self._lookout.reads.hanging()

    def resolve(self, model: str, version: int = 0) -> Version:
        """Returns the version that a call is for; version 0 stands for the one that serves.

        Raises:
            ModelNotFound: there is no such model or version, or the version is not deployed or not resident.
            VersionRefused: the version did not pass its checks.
            ModelNotReady: no version serves yet, and the one to come has not begun to load.
        """
        versions = self._models.get(model, {})
        if not versions:
            raise ModelNotFound(f"this gateway has no model '{model}'")
        if version == 0:
            return self._serving.get(model) or self._first_to_serve(model)
        found = versions.get(version)
        if found is None:
            raise ModelNotFound(f"this gateway has no version {version} of '{model}'")
        return found.usable()

    def serving(self, model: str) -> Version | None:
        """Returns the version that calls without a version number go to; None if there is none."""
        return self._serving.get(model)

    def versions(self, model: str | None = None) -> list[Version]:
        """Returns all versions of one model, or of all models if it is None, sorted by model and version."""
        names = sorted(self._models) if model is None else [model]
        return [found for name in names for _, found in sorted(self._models.get(name, {}).items())]

    def resident(self) -> list[Version]:
        """Returns the versions that are loaded and ready, in any order; may be called from any thread."""
        return [version for known in list(self._models.values()) for version in list(known.values()) if version.ready]

    def models(self) -> list[str]:
        """Returns the names of all models, sorted."""
        return sorted(self._models)

    async def end_retries(self) -> None:
        """Ends all retries of versions that wait; they stay as they are."""
        await self._retries.close()

    async def close(self) -> None:
        """Ends all loading and unloading, and frees every version at once."""
        await self.end_retries()
        leaving = list(self._unloading.values())
        tasks = [*self._unloading, *self._refreshing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._serving.clear()
        await asyncio.gather(*(version.close() for version in [*self.versions(), *leaving]))

    def _end_refresh(self, model: str, task: asyncio.Task[None]) -> None:
        del self._refreshing[model]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("refreshing the versions of %s failed; it is tried again", model, exc_info=error)

    def _first_to_serve(self, model: str) -> Version:
        """Returns the version that stands for version 0 while none serves yet: the highest one not refused."""
        versions = [version for version in reversed(self.versions(model)) if version.state is not State.NOT_DEPLOYED]
        if not versions:
            raise ModelNotFound(f"no version of '{model}' is deployed")
        undecided = next((version for version in versions if version.state is not State.REFUSED), versions[0])
        if undecided.state is State.NOT_RESIDENT:
            raise ModelNotReady(f"{undecided.ref} is still loading")
        return undecided.usable()

    async def _names(self) -> list[str]:
        """Returns the names of possible and known models; empty while the repository's file system does not answer."""
        names = await self._lookout.names()
        return [] if names is None else sorted({*names, *self._models})

    async def _look(self, model: str) -> dict[StoredVersion, bool] | None:
        """Learns which versions a model has and which is promoted; returns each with whether it is deployed.

        Returns None, and changes nothing, while the repository's file system does not answer.
        """
        seen = await self._lookout.look(model)
        if seen is None:
            return None
        for one, deployed in seen.versions.items():
            known = self._models.setdefault(model, {})
            version = known.setdefault(one.version, Version(one, State.NOT_DEPLOYED))
            if deployed and version.state is State.NOT_DEPLOYED:
                version.state = State.NOT_RESIDENT
        if model in self._models:
            self._promoted[model] = seen.promoted
        return seen.versions

    async def _refresh_model(self, model: str) -> None:
        seen = await self._look(model)
        known = self._models.get(model)
        if seen is None or known is None:
            return
        promoted = self._promoted.get(model)
        found = {one.version for one, deployed in seen.items() if deployed}
        await self._load_wanted(model, found, promoted)
        gone = [known.pop(number) for number in set(known) - found]
        known.update({one.version: Version(one, State.NOT_DEPLOYED) for one in seen if one.version not in found})
        wanted = self._wanted(model, found, promoted)  # again, because a version that waited may be good by now
        self._choose(model, wanted, promoted)
        for version in [*known.values(), *gone]:
            if version.ready and version not in wanted:
                self._spawn(version)
            elif version in gone or version.state is not State.WAITING or _enough(version, wanted, promoted):
                self._retries.give_up(version)
        if not known:
            self._models.pop(model)
            self._promoted.pop(model, None)
        self._on_change(model)

    async def _load_wanted(self, model: str, numbers: set[int], promoted: int | None) -> None:
        """Loads the promoted version and the two highest good ones, unless they are loaded already."""
        # The promoted one first: no other may serve before it is decided.
        for number in sorted(numbers, key=lambda one: (one != promoted, -one)):
            version, wanted = self._models[model][number], self._wanted(model, numbers, promoted)
            if version.state is State.NOT_RESIDENT and not _enough(version, wanted, promoted):
                await self._load(version)
                self._on_change(model)
            if version.ready:
                self._choose(model, self._wanted(model, numbers, promoted), promoted)

    def _wanted(self, model: str, numbers: Collection[int], promoted: int | None) -> list[Version]:
        """Returns the good versions among these that are to be resident: the two highest and the promoted one."""
        known = self._models.get(model, {})
        good = [known[number] for number in sorted(numbers, reverse=True) if number in known and known[number].ready]
        return [one for place, one in enumerate(good) if place < _GOOD_VERSIONS or one.stored.version == promoted]

    def _choose(self, model: str, good: list[Version], promoted: int | None) -> None:
        """Lets the promoted version serve if it is good, else the highest good one."""
        current = self._serving.get(model)
        chosen = max(good, key=lambda one: (one.stored.version == promoted, one.stored.version), default=None)
        if chosen is None:
            self._serving.pop(model, None)
        elif chosen is not current:
            self._serving[model] = chosen
            _log.info("%s serves", chosen.ref)

    async def _load(self, version: Version) -> None:
        version.begin_loading()
        try:
            bundle = await self._lookout.read(version.stored, read_bundle)
            if bundle.manifest is None:  # removed since the last look
                version.state = State.NOT_DEPLOYED
                return
            version.know(bundle)
            bundle = await self._lookout.verified(bundle)  # before it takes one of the places for loading
            async with self._loading:
                accepted = await accept(bundle, self._cache_dir, worker_user=self._worker_user)
            version.begin_serving(accepted, self._drain, log_model_messages=self._log_model_messages)
        except PassingFailure as error:
            self._retries.put_off(version, str(error))
        except BundleError as error:
            version.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - no version may stay undecided, or keep others from serving
            self._decide_otherwise(version, error)
        if version.state is State.REFUSED:
            _log.warning("refused %s: %s", version.ref, version.reason)

    def _decide_otherwise(self, version: Version, error: Exception) -> None:
        """Refuses or puts off a version whose loading failed by an unexpected error."""
        if (passing := passing_failure(error)) is not None:
            self._retries.put_off(version, str(passing))
        elif isinstance(error, OSError):
            version.refuse(f"a file of the bundle can't be read: {error.strerror}")
        else:
            _log.error("loading %s failed because of a bug in the gateway", version.ref, exc_info=error)
            version.refuse("the gateway failed while it loaded this version, because of a bug: its log says where")

    async def _load_again(self, version: Version) -> None:
        """Tries to load a version that waits; then it may serve, unless a promoted version is still to be loaded."""
        await self._load(version)
        model = version.stored.model
        if version.ready:
            await self._look(model)
        if version.ready and (known := self._models.get(model)):
            promoted = self._promoted.get(model)
            first = known.get(promoted or 0)
            if first is None or first.state not in (State.NOT_RESIDENT, State.LOADING):
                self._choose(model, self._wanted(model, known, promoted), promoted)
        self._on_change(model)

    def _spawn(self, version: Version) -> None:
        task = asyncio.get_running_loop().create_task(version.unload())
        self._unloading[task] = version
        task.add_done_callback(self._unloading.pop)


def _enough(version: Version, good: Collection[Version], promoted: int | None) -> bool:
    """Whether so many higher versions are good that this one need not be resident."""
    higher = sum(one.stored.version > version.stored.version for one in good)
    return higher >= _GOOD_VERSIONS and version.stored.version != promoted
