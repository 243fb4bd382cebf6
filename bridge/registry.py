"""The versions that are resident, and which of them serves."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bridge.acceptance import Accepted, accept
from bridge.bundle import Bundle, read_bundle
from bridge.calls import Call, DefaultScore, ModelRef, Outcome, Output, Scorer
from bridge.columns import Batch
from bridge.errors import BundleError, InvalidRequest, ModelNotFound, ModelNotReady, VersionRefused
from bridge.model_settings import ModelSettings, default_scores
from bridge.repository import Repository, StoredVersion
from bridge.stack import build_scorer, build_waiting_scorer

__all__ = ["Registry", "State", "Version"]

_log = logging.getLogger(__name__)

_GOOD_VERSIONS = 2


class State(StrEnum):
    """What state a version is in: the names of the proto's enum, less its prefix."""

    LOADING = "LOADING"
    READY = "READY"
    REFUSED = "REFUSED"
    DRAINING = "DRAINING"
    NOT_RESIDENT = "NOT_RESIDENT"
    NOT_DEPLOYED = "NOT_DEPLOYED"


@dataclass(eq=False)
class Version:
    """One version of one model, resident or not.

    Attributes:
        stored: where it is.
        state: what state it is in.
        reason: why, if it is refused; never holds input values.
        bundle: None while it can't be read.
        accepted: what is loaded; None unless it is ready or draining.
        defaults: what calls are answered with where the model can't be asked.
    """

    stored: StoredVersion
    state: State = State.NOT_RESIDENT
    reason: str = ""
    bundle: Bundle | None = None
    accepted: Accepted | None = None
    defaults: tuple[DefaultScore, ...] = ()
    _scorer: Scorer | None = None
    _calls: int = 0
    _unused: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ref(self) -> ModelRef:
        """Its name, as calls carry it."""
        return ModelRef(self.stored.model, self.stored.version, self.bundle.digest if self.bundle else "")

    @property
    def ready(self) -> bool:
        """Calls are scored."""
        return self.state is State.READY

    @property
    def settings(self) -> ModelSettings:
        """The author's settings; the defaults while the bundle can't be read."""
        return self.bundle.settings if self.bundle else ModelSettings()

    @property
    def outputs(self) -> tuple[Output, ...] | None:
        """What it gives for each row; None while nobody knows."""
        if self.accepted is not None:
            return self.accepted.description.outputs
        return _known_outputs(self.bundle) if self.bundle else None

    def bind(self, batch: Batch) -> Batch:
        """The caller's rows as the model takes them; as they are while it is not loaded."""
        return self.accepted.backend.bind(batch) if self.accepted else batch

    async def score(self, call: Call) -> Outcome:
        """Scores a call; the version is not unloaded meanwhile."""
        if self._scorer is None:
            raise ModelNotReady(f"{self.ref} is still loading")
        self._calls += 1
        try:
            return await self._scorer(call)
        finally:
            self._calls -= 1
            if not self._calls:
                self._unused.set()

    def begin_loading(self, bundle: Bundle) -> None:
        """Calls get the default score until it is loaded, if they have one."""
        self.bundle, self.state, self.reason = bundle, State.LOADING, ""
        self.defaults = _known_defaults(bundle)
        self._scorer = build_waiting_scorer(self._not_ready, bundle.settings)

    def begin_serving(self, accepted: Accepted) -> None:
        """Calls are scored from now on."""
        self.accepted, self.defaults = accepted, accepted.defaults
        self._scorer = build_scorer(accepted.backend.score, accepted.bundle.settings)
        self.state = State.READY

    async def unload(self) -> None:
        """Lets the calls it has finish, then frees it."""
        accepted = self.accepted
        if accepted is None:
            return
        self.state = State.DRAINING
        while self._calls:
            self._unused.clear()
            await self._unused.wait()
        await self.close()
        self.state = State.NOT_RESIDENT

    async def close(self) -> None:
        """Frees it at once; idempotent."""
        accepted, self.accepted, self._scorer = self.accepted, None, None
        if accepted is not None:
            await accepted.backend.close()

    async def _not_ready(self, call: Call) -> Outcome:
        raise ModelNotReady(f"{call.model} is still loading")


def _known_outputs(bundle: Bundle) -> tuple[Output, ...] | None:
    return bundle.settings.declared_outputs() or (bundle.manifest.outputs if bundle.manifest else None)


def _known_defaults(bundle: Bundle) -> tuple[DefaultScore, ...]:
    try:
        return default_scores(bundle.settings.default_score, _known_outputs(bundle))
    except InvalidRequest:
        return ()  # acceptance will refuse the version for it


class Registry:
    """All models of one repository.

    Args:
        repository: where they are.
        on_change: called with a model's name whenever what serves may have changed.
    """

    def __init__(self, repository: Repository, on_change: Callable[[str], None] = lambda _: None) -> None:
        self._repository = repository
        self._on_change = on_change
        self._models: dict[str, dict[int, Version]] = {}
        self._serving: dict[str, Version] = {}
        self._refreshing = asyncio.Lock()
        self._unloading: set[asyncio.Task[None]] = set()

    async def refresh(self) -> None:
        """Makes what is resident agree with the repository; returns when every version is decided.

        New versions are loaded beside the old ones, one at a time for each model; the old ones are let go afterwards.
        """
        async with self._refreshing:
            found = await self.discover()
            await asyncio.gather(*(self._refresh_model(model, versions) for model, versions in found.items()))

    async def discover(self) -> dict[str, set[int]]:
        """Learns what is in the repository, without loading it: the versions of each model that is or was there."""
        stored = await asyncio.to_thread(self._repository.versions)
        found: dict[str, set[int]] = {model: set() for model in self._models}
        for one in stored:
            found.setdefault(one.model, set()).add(one.version)
            version = self._models.setdefault(one.model, {}).setdefault(one.version, Version(one))
            if not one.deployed:
                version.state = State.NOT_DEPLOYED
            elif version.state is State.NOT_DEPLOYED:
                version.state = State.NOT_RESIDENT
        return found

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
        return _usable(found)

    def serving(self, model: str) -> Version | None:
        """The version that calls without a version go to, if there is one."""
        return self._serving.get(model)

    def versions(self, model: str | None = None) -> list[Version]:
        """All versions of all models, or of one, sorted by model and version."""
        names = sorted(self._models) if model is None else [model]
        return [found for name in names for _, found in sorted(self._models.get(name, {}).items())]

    def models(self) -> list[str]:
        """The names of all models."""
        return sorted(self._models)

    async def close(self) -> None:
        """Frees every version at once."""
        for task in self._unloading:
            task.cancel()
        await asyncio.gather(*self._unloading, return_exceptions=True)
        self._serving.clear()
        await asyncio.gather(*(version.close() for version in self.versions()))

    def _first_to_serve(self, model: str) -> Version:
        """What version 0 means while none serves yet."""
        versions = [version for version in reversed(self.versions(model)) if version.state is not State.NOT_DEPLOYED]
        if not versions:
            raise ModelNotFound(f"no version of '{model}' is deployed")
        undecided = next((version for version in versions if version.state is not State.REFUSED), versions[0])
        if undecided.state is State.NOT_RESIDENT:
            raise ModelNotReady(f"{undecided.ref} is still loading")
        return _usable(undecided)

    async def _refresh_model(self, model: str, found: set[int]) -> None:
        known = self._models[model]
        promoted = self._repository.promoted(model)
        wanted = await self._load_wanted(model, found, promoted)
        gone = [known.pop(number) for number in set(known) - found]
        self._choose(model, wanted, promoted)
        for version in [*known.values(), *gone]:
            if version not in wanted and version.ready:
                self._spawn(version.unload())
        if not known:
            self._models.pop(model)
        self._on_change(model)

    async def _load_wanted(self, model: str, numbers: set[int], promoted: int | None) -> list[Version]:
        """The promoted version and the two highest that are good, loaded if they were not."""
        wanted: list[Version] = []
        # The promoted one first: no other may serve before it is decided.
        for number in sorted(numbers, key=lambda one: (one != promoted, -one)):
            version = self._models[model][number]
            others = sum(one.stored.version != promoted for one in wanted)
            if version.state is State.NOT_DEPLOYED or (others >= _GOOD_VERSIONS and number != promoted):
                continue
            if version.state is State.NOT_RESIDENT:
                await _load(version)
                self._on_change(model)
            if version.ready:
                wanted.append(version)
                self._choose(model, wanted, promoted)
        return wanted

    def _choose(self, model: str, good: list[Version], promoted: int | None) -> None:
        """The promoted version serves if it is good, else the highest good one."""
        current = self._serving.get(model)
        chosen = max(good, key=lambda one: (one.stored.version == promoted, one.stored.version), default=None)
        if chosen is None:
            self._serving.pop(model, None)
        elif chosen is not current:
            self._serving[model] = chosen
            _log.info("%s serves", chosen.ref)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)


def _usable(version: Version) -> Version:
    if version.state is State.REFUSED:
        raise VersionRefused(f"{version.ref} was refused: {version.reason}")
    if version.state is State.NOT_DEPLOYED:
        raise ModelNotFound(f"{version.ref} is not deployed")
    if version.state in (State.NOT_RESIDENT, State.DRAINING):
        raise ModelNotFound(f"{version.ref} is not resident")
    return version


async def _load(version: Version) -> None:
    version.state = State.LOADING
    try:
        bundle = await asyncio.to_thread(read_bundle, version.stored.path)
        version.begin_loading(bundle)
        version.begin_serving(await accept(bundle))
    except BundleError as error:
        version.state, version.reason = State.REFUSED, str(error)
        _log.warning("refused %s: %s", version.ref, error)
