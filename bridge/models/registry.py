"""The versions that are resident, and which of them serves."""

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from bridge.bundles.bundle import read_bundle
from bridge.bundles.lookout import Lookout
from bridge.bundles.repository import Repository
from bridge.errors import BundleError, ModelNotFound, ModelNotReady, PassingFailure
from bridge.layers.drain import Drain
from bridge.models.acceptance import accept
from bridge.models.retries import Retries
from bridge.models.version import State, Version
from bridge.shortages import passing_failure

__all__ = ["Registry"]

_log = logging.getLogger(__name__)

_GOOD_VERSIONS = 2
_MOST_LOADING = 4  # each has a limit of its own, and on few cores many at once would all miss it


class Registry:
    """All models of one repository.

    Args:
        repository: where they are.
        on_change: called with a model's name whenever what serves may have changed.
        drain: the gateway's deadline for all calls.
        cache_dir: where what took long to make is kept for the next start; None keeps nothing.
        log_model_messages: what models say when they raise is written to the gateway's own log.
    """

    def __init__(
        self,
        repository: Repository,
        on_change: Callable[[str], None] = lambda _: None,
        drain: Drain | None = None,
        cache_dir: Path | None = None,
        *,
        log_model_messages: bool = False,
    ) -> None:
        self._cache_dir = cache_dir
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
        """Makes what is resident agree with the repository; returns when every version is decided.

        New versions are loaded beside the old ones, one at a time for each model; the old ones are let go afterwards.
        What could not be loaded for a reason that may pass is decided too: it waits, and is tried again beside this.
        """
        if refreshing := await self.begin_refresh():
            await asyncio.wait(refreshing)  # what fails in one is logged, and holds up no other

    async def begin_refresh(self) -> list[asyncio.Task[None]]:
        """Begins to make what is resident agree with the repository: a task a model, so that none holds up another."""
        for model in await self._names():
            if model not in self._refreshing:
                task = asyncio.get_running_loop().create_task(self._refresh_model(model))
                self._refreshing[model] = task
                task.add_done_callback(partial(self._end_refresh, model))
        return list(self._refreshing.values())

    async def watch(self, interval_s: float) -> None:
        """Looks into the repository again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.begin_refresh()
            except OSError as error:
                _log.warning("the repository can't be read: %s", error)
            except Exception:  # noqa: BLE001 - what is deployed next must still be seen
                _log.exception("the repository could not be looked into")

    async def discover(self) -> None:
        """Learns what is in the repository, without loading it.

        Raises:
            OSError: the repository can't be read.
        """
        await asyncio.gather(*(self._look(model) for model in await self._names()))

    async def is_there(self) -> bool:
        """The repository is a folder, or does not answer."""
        return await self._lookout.is_folder()

    def hanging(self) -> dict[str, int]:
        """How many reads of the repository have not come back in their time, by what is read."""
        return self._lookout.reads.hanging()

    def resolve(self, model: str, version: int = 0) -> Version:
        """The version that a call is for; 0 stands for the one that serves.

        Raises:
            ModelNotFound: there is none of that name or number.
            VersionRefused: it did not pass its checks.
        """
        versions = self._models.get(model, {})
        if not versions:
            raise ModelNotFound(f"there is no model '{model}'")
        if version == 0:
            return self._serving.get(model) or self._first_to_serve(model)
        found = versions.get(version)
        if found is None:
            raise ModelNotFound(f"there is no version {version} of '{model}'")
        return found.usable()

    def serving(self, model: str) -> Version | None:
        """The version that calls without a version go to, if there is one."""
        return self._serving.get(model)

    def versions(self, model: str | None = None) -> list[Version]:
        """All versions of all models, or of one, sorted by model and version."""
        names = sorted(self._models) if model is None else [model]
        return [found for name in names for _, found in sorted(self._models.get(name, {}).items())]

    def resident(self) -> list[Version]:
        """Those that are loaded, in any order; from any thread."""
        return [version for known in list(self._models.values()) for version in list(known.values()) if version.ready]

    def models(self) -> list[str]:
        """The names of all models."""
        return sorted(self._models)

    async def end_retries(self) -> None:
        """Tries nothing again any more; what waits is left as it is."""
        await self._retries.close()

    async def close(self) -> None:
        """Frees every version at once."""
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
            _log.error("%s could not be refreshed", model, exc_info=error)

    def _first_to_serve(self, model: str) -> Version:
        """What version 0 means while none serves yet."""
        versions = [version for version in reversed(self.versions(model)) if version.state is not State.NOT_DEPLOYED]
        if not versions:
            raise ModelNotFound(f"no version of '{model}' is deployed")
        undecided = next((version for version in versions if version.state is not State.REFUSED), versions[0])
        if undecided.state is State.NOT_RESIDENT:
            raise ModelNotReady(f"{undecided.ref} is still loading")
        return undecided.usable()

    async def _names(self) -> list[str]:
        """What may be a model by its name, and every model there was; none while the repository does not answer."""
        names = await self._lookout.names()
        return [] if names is None else sorted({*names, *self._models})

    async def _look(self, model: str) -> set[int] | None:
        """Learns which versions a model has and which is promoted; None if nobody can say, and all is left as it is."""
        seen = await self._lookout.look(model)
        if seen is None:
            return None
        for one, deployed in seen.versions.items():
            version = self._models.setdefault(model, {}).setdefault(one.version, Version(one))
            if not deployed:
                version.state = State.NOT_DEPLOYED
            elif version.state is State.NOT_DEPLOYED:
                version.state = State.NOT_RESIDENT
        if model in self._models:
            self._promoted[model] = seen.promoted
        return {one.version for one in seen.versions}

    async def _refresh_model(self, model: str) -> None:
        found = await self._look(model)
        known = self._models.get(model)
        if found is None or known is None:
            return
        promoted = self._promoted.get(model)
        await self._load_wanted(model, found, promoted)
        gone = [known.pop(number) for number in set(known) - found]
        wanted = self._wanted(model, found, promoted)  # what waited may be good by now
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
        """Loads the promoted version and the two highest that are good, if they were not loaded."""
        # The promoted one first: no other may serve before it is decided.
        for number in sorted(numbers, key=lambda one: (one != promoted, -one)):
            version, wanted = self._models[model][number], self._wanted(model, numbers, promoted)
            if version.state is State.NOT_RESIDENT and not _enough(version, wanted, promoted):
                await self._load(version)
                self._on_change(model)
            if version.ready:
                self._choose(model, self._wanted(model, numbers, promoted), promoted)

    def _wanted(self, model: str, numbers: Collection[int], promoted: int | None) -> list[Version]:
        """Which of these versions, of those that are good, are to be resident."""
        known = self._models.get(model, {})
        good = [known[number] for number in sorted(numbers, reverse=True) if number in known and known[number].ready]
        return [one for place, one in enumerate(good) if place < _GOOD_VERSIONS or one.stored.version == promoted]

    def _choose(self, model: str, good: list[Version], promoted: int | None) -> None:
        """The promoted version serves if it is good, else the highest good one."""
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
            if bundle.manifest is None:  # it had one a moment ago
                version.state = State.NOT_DEPLOYED
                return
            version.know(bundle)
            bundle = await self._lookout.verified(bundle)  # before it takes a place from others
            async with self._loading:
                accepted = await accept(bundle, self._cache_dir)
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
        """What becomes of a version when something else failed than what its files or its backend say of it."""
        if (passing := passing_failure(error)) is not None:
            self._retries.put_off(version, str(passing))
        elif isinstance(error, OSError):
            version.refuse(f"a file of it can't be read: {error.strerror}")
        else:
            _log.error("%s could not be loaded", version.ref, exc_info=error)
            version.refuse("the bridge failed while it loaded it; its log says where")

    async def _load_again(self, version: Version) -> None:
        """Loads one that waits; it may serve at once if it can be, unless another was promoted and is being loaded."""
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
    """So many higher versions are good that this one need not be resident."""
    higher = sum(one.stored.version > version.stored.version for one in good)
    return higher >= _GOOD_VERSIONS and version.stored.version != promoted
