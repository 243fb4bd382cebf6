"""One version of one model: its state, its loaded backend, and the scoring of its calls."""

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
from bridge.features.lookups.plan import LookupPlan
from bridge.layers.drain import Drain
from bridge.layers.stack import Stack, build_stack, build_waiting_scorer
from bridge.models.acceptance import Accepted

__all__ = ["State", "Version"]


class State(StrEnum):
    """The states of a version, named as in the proto's enum VersionState without the prefix VERSION_STATE_."""

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
        stored: its folder in the repository.
        ref: its model, number and digest, as calls carry them.
        state: its state.
        reason: why it is refused or waits, in one sentence without input values.
        retry_at: when a waiting version is tried again, in UTC; a time in the past means that it is being tried now.
        bundle: its bundle; None while it was not read.
        accepted: the loaded model with the results of its trial; None unless the version is ready or draining.
        defaults: the model's default scores, one for each output; empty if it has none.
        stack: the layers around the loaded backend; None unless it is loaded.
        lookups: how features are looked up that callers don't send; None if they aren't, and while it is not loaded.
        never_scored: whether it is loaded and has scored nothing yet, neither in its trial nor for a call.
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
    lookups: LookupPlan | None = None
    never_scored: bool = False
    _scorer: Scorer | None = None
    _closing: asyncio.Task[None] | None = None
    _calls: int = 0
    _unused: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.ref = ModelRef(self.stored.model, self.stored.version, "")

    @property
    def ready(self) -> bool:
        """Whether the version is loaded and scores calls."""
        return self.state is State.READY

    @property
    def settings(self) -> ModelSettings:
        """The settings in the bundle's model.toml; the default settings while the bundle was not read."""
        return self.bundle.settings if self.bundle else ModelSettings()

    @property
    def outputs(self) -> tuple[Output, ...] | None:
        """The model's outputs; None while they are not known."""
        if self.accepted is not None:
            return self.accepted.description.outputs
        return _known_outputs(self.bundle) if self.bundle else None

    @property
    def engine(self) -> str:
        """The program that computes the scores, such as "xgboost 3.2.0"; empty while the version is not loaded."""
        return self.accepted.description.engine if self.accepted is not None else ""

    @property
    def row_wise(self) -> bool:
        """Whether a row's score does not depend on the other rows of its call; False while it is not loaded."""
        return self.accepted is not None and self.accepted.description.row_wise

    @property
    def width(self) -> int:
        """The number of the model's features; 0 while the version is not loaded."""
        accepted = self.accepted
        return len(accepted.description.features) if accepted is not None else 0

    @property
    def column_names(self) -> frozenset[str] | None:
        """The names of the model's features, and of columns of keys; None while the version is not loaded."""
        if (accepted := self.accepted) is None:
            return None
        features = frozenset(one.name for one in accepted.description.features)
        return features if self.lookups is None else features | self.lookups.keys

    def bind(self, batch: Batch, *, alone: bool = False) -> Batch:
        """Binds the caller's rows to the model's features; returns them unchanged while the version is not loaded.

        Args:
            batch: the rows as they came.
            alone: a value that does not fit costs its row, not the call; see `Backend.bind`.

        Raises:
            InvalidRequest: the rows don't fit the features; the message names the column and row.
        """
        return self.accepted.backend.bind(batch, alone=alone) if self.accepted else batch

    def usable(self) -> Self:
        """Returns this version if it can take calls: it is ready, still loading or waiting.

        Raises:
            VersionRefused: the version did not pass its checks.
            ModelNotFound: the version is not deployed, or not resident.
        """
        if self.state is State.REFUSED:
            raise VersionRefused(f"{self.ref} was refused: {self.reason}")
        if self.state is State.NOT_DEPLOYED:
            raise ModelNotFound(f"{self.ref} is not deployed: its folder has no manifest; use `scorebridge deploy`")
        if self.state in (State.NOT_RESIDENT, State.DRAINING):
            raise ModelNotFound(
                f"{self.ref} is not resident: of each model the two highest good versions and the promoted one are"
            )
        return self

    async def score(self, call: Call) -> Outcome:
        """Scores a call; the version is not unloaded before the call has ended.

        Raises:
            ModelNotReady: the version is not loaded.
        """
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
        """Returns the outcome of a batch of zero rows, for which no model is asked."""
        columns: tuple[Column, ...] = tuple(
            constant(output.name, output.type, "" if output.type.dtype == object else 0, 0)
            for output in self.outputs or ()
        )
        return Outcome((Range(0, 0, columns),)) if columns else Outcome(())

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps the version from being unloaded within the context."""
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
        """Marks the version as loading; until it is loaded, calls get the default score that they bring.

        A version that waits keeps the state WAITING until it is loaded.
        """
        if self.state is not State.WAITING:
            self.state, self.reason = State.LOADING, ""
        self._scorer = build_waiting_scorer(self._not_ready, self.settings)

    def know(self, bundle: Bundle) -> None:
        """Takes over the bundle that was read; from now on calls get its default score, if it has one."""
        self.bundle = bundle
        self.ref = ModelRef(self.stored.model, self.stored.version, bundle.digest)
        self.defaults = _known_defaults(bundle)
        self.begin_loading()

    def refuse(self, reason: str) -> None:
        """Marks the version as refused, so that it never serves; the reason is one sentence without input values."""
        self.state, self.reason, self.retry_at = State.REFUSED, reason, None

    def wait(self, reason: str, retry_at: datetime) -> None:
        """Marks the version as waiting, because loading failed for a reason that may pass.

        Calls get their own default score or the version's.

        Args:
            reason: why it could not be loaded; one sentence without input values.
            retry_at: when it is tried again, in UTC.
        """
        self.state, self.reason, self.retry_at = State.WAITING, reason, retry_at

    def give_up(self) -> None:
        """Marks a version that waits as not resident, as if its loading had never been tried."""
        self.state, self.reason, self.retry_at = State.NOT_RESIDENT, "", None
        self._scorer = None

    def begin_serving(
        self, accepted: Accepted, drain: Drain, lookups: LookupPlan | None = None, *, log_model_messages: bool = False
    ) -> None:
        """Marks the version as ready and scores its calls with the accepted backend from now on.

        Args:
            accepted: the loaded model with the results of its trial.
            drain: the gateway's deadline for all calls.
            lookups: how features are looked up that callers don't send; None if they aren't.
            log_model_messages: whether the messages of errors that the model raises are logged.
        """
        self.accepted, self.defaults, self.lookups = accepted, accepted.defaults, lookups
        parts = accepted.bundle.settings, accepted.backend, accepted.description, accepted.self_test
        self.stack = build_stack(*parts, drain, log_model_messages=log_model_messages)
        self.never_scored = accepted.self_test is None
        self._scorer = self.stack.scorer
        self.state, self.reason, self.retry_at = State.READY, "", None

    async def unload(self) -> None:
        """Waits until the version's calls have finished, then frees its model."""
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
        """Frees the model at once; may be called more than once. Cancelling it does not leave the model half freed."""
        if self._closing is None:
            accepted, stack = self.accepted, self.stack
            self.accepted = self.stack = self._scorer = self.lookups = None
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
        return ()  # `accept` will refuse the version because of it


async def _free(accepted: Accepted | None, stack: Stack | None) -> None:
    if stack is not None:
        await stack.close()
    if accepted is not None:
        await accepted.backend.close()
