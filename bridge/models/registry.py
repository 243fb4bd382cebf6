"""Keeps the versions of all models: loads them as the repository says, and chooses which version serves."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

from bridge import model_events, own_log
from bridge.bundles.bundle import read_bundle
from bridge.bundles.lookout import Lookout
from bridge.bundles.repository import Repository, StoredVersion
from bridge.errors import BundleError, ModelNotFound, ModelNotReady, PassingFailure
from bridge.layers.drain import Drain
from bridge.models.acceptance import accept
from bridge.models.lookups import StoreSource, plan_of
from bridge.models.refreshes import Refreshes
from bridge.models.residents import enough, first_to_serve, residents
from bridge.models.retries import Retries
from bridge.models.version import State, Version
from bridge.shortages import passing_failure
from bridge.workers.programs import Programs

__all__ = ["Registry"]

_log = own_log.OwnLog(__name__)

_MOST_LOADING = 4  # at once: each has a time limit, which many at once would all miss on few cores


class Registry:
    """The models of one repository and their versions, resident or not.

    Args:
        repository: the folder that holds the bundles of all models.
        on_change: called with a model's name whenever another version may serve, or none.
        drain: the gateway's deadline for all calls.
        cache_dir: the folder that keeps compiled models for the next start; None keeps nothing.
        programs: the programs that compute scores, and the user that they run as.
        stores: where features are looked up by key.
        log_model_messages: whether the messages of errors that models raise are written to the gateway's own log.

    Attributes:
        unloaded: the names of models that an operator unloaded; none of their versions is to be resident.
    """

    def __init__(
        self,
        repository: Repository,
        on_change: Callable[[str], None] = lambda _: None,
        drain: Drain | None = None,
        cache_dir: Path | None = None,
        *,
        programs: Programs = Programs(),
        stores: StoreSource | None = None,
        log_model_messages: bool = False,
    ) -> None:
        self.unloaded: set[str] = set()
        self._cache_dir, self._stores = cache_dir, stores
        self._programs, self._log_model_messages = programs, log_model_messages
        self._lookout = Lookout(repository)
        self._promoted: dict[str, int | None] = {}
        self._drain, self._on_change = drain or Drain(), on_change
        self._models: dict[str, dict[int, Version]] = {}
        self._serving: dict[str, Version] = {}
        self._refreshes, self._retries = Refreshes(self._refresh_model), Retries(self._load_again)
        self._unloading: dict[asyncio.Task[None], Version] = {}
        self._loading = asyncio.Semaphore(_MOST_LOADING)

    async def refresh(self) -> None:
        """Loads and unloads versions until they agree with the repository; returns when every version is decided.

        New versions are loaded beside the old ones, one at a time for each model; the old ones are unloaded afterwards.
        A version that could not be loaded for a reason that may pass counts as decided: it waits, and is retried.
        """
        if refreshing := await self.begin_refresh():
            await asyncio.wait(refreshing)  # a failure of one is logged, and does not hold up the others

    async def begin_refresh(self) -> list[asyncio.Task[None]]:
        """Begins to do what `refresh` does; returns a task for each model, so that no model holds up another."""
        for model in await self.names():
            self._refreshes.begin(model)
        return self._refreshes.tasks()

    async def refresh_anew(self, model: str) -> None:
        """Does for one model what `refresh` does, with a look at the repository from now on; returns when it is done.

        Versions that leave memory have left it by then.
        """
        await self._refreshes.end_of(model)
        await self._leave(model)  # a version on its way out could not be loaded
        await asyncio.wait({self._refreshes.begin(model)})
        await self._leave(model)

    async def _leave(self, model: str) -> None:
        if leaving := [task for task, version in self._unloading.items() if version.stored.model == model]:
            await asyncio.wait(leaving)

    async def watch(self, interval_s: float) -> None:
        """Follows changes of the repository: begins a refresh every `interval_s` seconds until it is cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.begin_refresh()
            except OSError as error:
                _log.say(model_events.REPOSITORY_UNREADABLE, pause_s=interval_s, error=error)
            except Exception as bug:  # noqa: BLE001 - later changes must still be seen
                _log.say(model_events.REPOSITORY_BUG, bug=bug)

    async def discover(self) -> None:
        """Learns which models and versions the repository holds, without loading any.

        Raises:
            OSError: the repository can't be read.
        """
        await asyncio.gather(*(self._look(model) for model in await self.names()))

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
            ModelNotReady: the model was unloaded, or no version serves yet and the one to come has not begun to load.
        """
        versions = self._models.get(model, {})
        if not versions:
            raise ModelNotFound(f"this gateway has no model '{model}'")
        if version and version not in versions:
            raise ModelNotFound(f"this gateway has no version {version} of '{model}'")
        if model in self.unloaded:
            raise ModelNotReady(f"'{model}' was unloaded: it scores when it is loaded again or the gateway restarts")
        if version == 0:
            return self._serving.get(model) or first_to_serve(model, self.versions(model))
        return versions[version].usable()

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
        tasks = [*self._unloading, *self._refreshes.tasks()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._serving.clear()
        await asyncio.gather(*(version.close() for version in [*self.versions(), *leaving]))

    async def names(self) -> list[str]:
        """Returns the names of possible and known models; empty while the repository's file system does not answer.

        Raises:
            OSError: the repository can't be read.
        """
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
            elif version in gone or version.state is not State.WAITING or self._is_spare(version, wanted, promoted):
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
            if version.state is State.NOT_RESIDENT and not self._is_spare(version, wanted, promoted):
                await self._load(version)
                self._on_change(model)
            if version.ready:
                self._choose(model, self._wanted(model, numbers, promoted), promoted)

    def _wanted(self, model: str, numbers: Collection[int], promoted: int | None) -> list[Version]:
        """Returns the good versions among these that are to be resident; none of a model that was unloaded."""
        known = {} if model in self.unloaded else self._models.get(model, {})
        return residents((known[number] for number in numbers if number in known), promoted)

    def _is_spare(self, version: Version, good: Collection[Version], promoted: int | None) -> bool:
        return version.stored.model in self.unloaded or enough(version, good, promoted)

    def _choose(self, model: str, good: list[Version], promoted: int | None) -> None:
        """Lets the promoted version serve if it is good, else the highest good one."""
        current = self._serving.get(model)
        chosen = max(good, key=lambda one: (one.stored.version == promoted, one.stored.version), default=None)
        if chosen is None:
            self._serving.pop(model, None)
        elif chosen is not current:
            self._serving[model] = chosen
            _log.say(model_events.VERSION_SERVES, version=chosen.ref)

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
                accepted = await accept(bundle, self._cache_dir, programs=self._programs)
            lookups = await plan_of(accepted, self._stores)
            version.begin_serving(accepted, self._drain, lookups, log_model_messages=self._log_model_messages)
        except PassingFailure as error:
            self._retries.put_off(version, str(error))
        except BundleError as error:
            version.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - no version may stay undecided, or keep others from serving
            self._decide_otherwise(version, error)
        if version.state is State.REFUSED:
            _log.say(model_events.VERSION_REFUSED, version=version.ref, reason=version.reason)

    def _decide_otherwise(self, version: Version, error: Exception) -> None:
        """Refuses or puts off a version whose loading failed by an unexpected error."""
        if (passing := passing_failure(error)) is not None:
            self._retries.put_off(version, str(passing))
        elif isinstance(error, OSError):
            version.refuse(f"a file of the bundle can't be read: {error.strerror}")
        else:
            _log.say(model_events.LOADING_BUG, bug=error, version=version.ref)
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
