"""One version of one model, from the folder it is in to the calls it scores."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from bridge.bundles.bundle import Bundle
from bridge.bundles.repository import StoredVersion
from bridge.bundles.settings import ModelSettings
from bridge.calls import Call, DefaultScore, ModelRef, Outcome, Output, Range, Scorer
from bridge.columns import Batch, Column, constant
from bridge.defaults import default_scores
from bridge.errors import InvalidRequest, ModelNotFound, ModelNotReady, VersionRefused
from bridge.layers.drain import Drain
from bridge.layers.stack import Stack, build_stack, build_waiting_scorer
from bridge.models.acceptance import Accepted

__all__ = ["State", "Version"]


class State(StrEnum):
    """What state a version is in: the names of the proto's enum, less its prefix."""

    LOADING = "LOADING"
    READY = "READY"
    REFUSED = "REFUSED"
    DRAINING = "DRAINING"
    NOT_RESIDENT = "NOT_RESIDENT"
    NOT_DEPLOYED = "NOT_DEPLOYED"
    WAITING = "WAITING"


@dataclass(eq=False)
class Version:
    """One version of one model, resident or not.

    Attributes:
        stored: where it is.
        ref: its name, as calls carry it.
        state: what state it is in.
        reason: why, if it is refused or waits; never holds input values.
        retry_at: of one that waits: when it is tried again, in UTC; if that is over, it is being tried.
        bundle: None while it can't be read.
        accepted: what is loaded; None unless it is ready or draining.
        defaults: what calls are answered with where the model can't be asked.
        stack: the layers around it; None unless it is loaded.
        never_scored: it is loaded, and nothing was scored by it, neither when it was tried nor by a call.
    """

    stored: StoredVersion
    ref: ModelRef = field(init=False)
    state: State = State.NOT_RESIDENT
    reason: str = ""
    retry_at: datetime | None = None
    bundle: Bundle | None = None
    accepted: Accepted | None = None
    defaults: tuple[DefaultScore, ...] = ()
    stack: Stack | None = None
    never_scored: bool = False
    _scorer: Scorer | None = None
    _closing: asyncio.Task[None] | None = None
    _calls: int = 0
    _unused: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.ref = ModelRef(self.stored.model, self.stored.version, "")

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

    @property
    def engine(self) -> str:
        """What computes its scores, in words; empty while it is not loaded."""
        return self.accepted.description.engine if self.accepted is not None else ""

    @property
    def row_wise(self) -> bool:
        """No row's score depends on those beside it; False while it is not loaded."""
        return self.accepted is not None and self.accepted.description.row_wise

    @property
    def width(self) -> int:
        """How many features it has; 0 while it is not loaded."""
        accepted = self.accepted
        return len(accepted.description.features) if accepted is not None else 0

    @property
    def feature_names(self) -> frozenset[str] | None:
        """What its features are called; None while it is not loaded."""
        accepted = self.accepted
        return frozenset(one.name for one in accepted.description.features) if accepted is not None else None

    def bind(self, batch: Batch, *, alone: bool = False) -> Batch:
        """The caller's rows as the model takes them, see `Backend.bind`; as they are while it is not loaded."""
        return self.accepted.backend.bind(batch, alone=alone) if self.accepted else batch

    def usable(self) -> Self:
        """This version, if calls may be for it: it serves, or is yet to be decided.

        Raises:
            VersionRefused: it did not pass its checks.
            ModelNotFound: it is not deployed, or not resident.
        """
        if self.state is State.REFUSED:
            raise VersionRefused(f"{self.ref} was refused: {self.reason}")
        if self.state is State.NOT_DEPLOYED:
            raise ModelNotFound(f"{self.ref} is not deployed")
        if self.state in (State.NOT_RESIDENT, State.DRAINING):
            raise ModelNotFound(f"{self.ref} is not resident")
        return self

    async def score(self, call: Call) -> Outcome:
        """Scores a call; the version is not unloaded meanwhile."""
        if self._scorer is None:
            raise ModelNotReady(self._why_not_ready(self.ref))
        self._calls += 1
        try:
            outcome = await self._scorer(call)
            if self.never_scored and any(part.error is None for part in outcome.ranges):
                self.never_scored = False
            return outcome
        finally:
            self._release()

    def nothing(self) -> Outcome:
        """The outcome of a batch of zero rows, for which nobody is asked."""
        columns: tuple[Column, ...] = tuple(
            constant(output.name, output.type, "" if output.type.dtype == object else 0, 0)
            for output in self.outputs or ()
        )
        return Outcome((Range(0, 0, columns),)) if columns else Outcome(())

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """It is not unloaded within this."""
        self._calls += 1
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        self._calls -= 1
        if not self._calls:
            self._unused.set()

    def begin_loading(self) -> None:
        """Calls get the default score that they bring, until it is loaded.

        One that waits goes on waiting, for all that others see of it, until it is loaded.
        """
        if self.state is not State.WAITING:
            self.state, self.reason = State.LOADING, ""
        self._scorer = build_waiting_scorer(self._not_ready, self.settings)

    def know(self, bundle: Bundle) -> None:
        """Calls get the bundle's default score from now on, if it has one."""
        self.bundle = bundle
        self.ref = ModelRef(self.stored.model, self.stored.version, bundle.digest)
        self.defaults = _known_defaults(bundle)
        self.begin_loading()

    def refuse(self, reason: str) -> None:
        """It will not serve; the reason is one sentence without input values."""
        self.state, self.reason, self.retry_at = State.REFUSED, reason, None

    def wait(self, reason: str, retry_at: datetime) -> None:
        """It could not be loaded for a reason that may pass; calls get the default score that they or it bring."""
        self.state, self.reason, self.retry_at = State.WAITING, reason, retry_at

    def give_up(self) -> None:
        """It is not tried again, because others serve; as if nobody had ever tried to load it."""
        self.state, self.reason, self.retry_at = State.NOT_RESIDENT, "", None
        self._scorer = None

    def begin_serving(self, accepted: Accepted, drain: Drain, *, log_model_messages: bool = False) -> None:
        """Calls are scored from now on."""
        self.accepted, self.defaults = accepted, accepted.defaults
        parts = accepted.bundle.settings, accepted.backend, accepted.description, accepted.self_test
        self.stack = build_stack(*parts, drain, log_model_messages=log_model_messages)
        self.never_scored = accepted.self_test is None
        self._scorer = self.stack.scorer
        self.state, self.reason, self.retry_at = State.READY, "", None

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
        """Frees it at once; idempotent. Cancelling whoever waits does not leave it half freed."""
        if self._closing is None:
            accepted, stack = self.accepted, self.stack
            self.accepted = self.stack = self._scorer = None
            self._closing = asyncio.get_running_loop().create_task(_free(accepted, stack))
        closing = self._closing
        await asyncio.shield(closing)
        if self._closing is closing:
            self._closing = None

    async def _not_ready(self, call: Call) -> Outcome:
        raise ModelNotReady(self._why_not_ready(call.model))

    def _why_not_ready(self, ref: ModelRef) -> str:
        if self.state is State.WAITING:
            return f"{ref} could not be loaded yet and is tried again: {self.reason}"
        return f"{ref} is still loading"


def _known_outputs(bundle: Bundle) -> tuple[Output, ...] | None:
    return bundle.settings.declared_outputs() or (bundle.manifest.outputs if bundle.manifest else None)


def _known_defaults(bundle: Bundle) -> tuple[DefaultScore, ...]:
    try:
        return default_scores(bundle.settings.default_score, _known_outputs(bundle))
    except InvalidRequest:
        return ()  # acceptance will refuse the version for it


async def _free(accepted: Accepted | None, stack: Stack | None) -> None:
    if stack is not None:
        await stack.close()
    if accepted is not None:
        await accepted.backend.close()
