"""Calls and their outcomes: immutable values, no I/O.

Scoring is built from two types: a *scorer* is `async Call -> Outcome`, a *layer* is `(call, inner) -> Outcome`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from bridge.attempts import Attempts
from bridge.columns import Batch, Column, Type, all_missing, constant
from bridge.errors import BridgeError
from bridge.looked_up import LookedUp
from bridge.parent_span import ParentSpan
from bridge.values import value

__all__ = [
    "Arrival",
    "Call",
    "Deadline",
    "DefaultScore",
    "Layer",
    "ModelRef",
    "Outcome",
    "Output",
    "Range",
    "Scorer",
    "Trace",
    "now",
]


def now() -> float:
    """Returns the time of the running event loop's monotonic clock, in seconds."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Names one version of one model; `digest` covers every byte of its bundle, and is empty if it is not known."""

    model: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}" if self.version else self.model


@value
class Deadline:
    """An instant on the loop's clock, in seconds, after which an answer is worth nothing."""

    instant: float

    @classmethod
    def after(cls, timeout_s: float) -> Self:
        """Returns the deadline that is `timeout_s` seconds from now."""
        return cls(now() + timeout_s)

    def remaining_s(self) -> float:
        """Returns the seconds that are left; negative once the deadline has passed."""
        return self.instant - now()

    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s() <= 0


@dataclass(frozen=True, slots=True)
class Output:
    """One named score that a model gives for each row.

    Attributes:
        name: the name that callers see.
        type: the type of its column.
        additional: whether it explains the scores, as contributions do; it is missing in rows with default scores.
    """

    name: str
    type: Type
    additional: bool = False


@dataclass(frozen=True, slots=True)
class DefaultScore:
    """The default score of one output; its value is None, which means missing, for an additional output."""

    output: Output
    value: float | bool | str | None

    def column(self, rows: int) -> Column:
        """Returns a column with the default score in this many rows."""
        if self.value is None:
            return all_missing(self.output.name, self.output.type, rows)
        return constant(self.output.name, self.output.type, self.value, rows)


@value
class Arrival:
    """A request as it arrived, with what the prediction log keeps of it.

    Attributes:
        method: the path of a gRPC method, or the method and path of HTTP, such as "POST /v1/models/glm:score".
        request: the bytes of the request.
        peer: the caller's address.
        caller: who the caller is: its name in callers.toml, else the names in its certificate, else its address.
        at: when all bytes had arrived, in seconds on the loop's clock.
        received_ns: when all bytes had arrived, in nanoseconds since 1970.
        json_bytes: the length of the JSON with which the request begins, where binary tensors follow it; else 0.
        parent: the caller's span; None if it named none, or calls are not traced.
    """

    method: str
    request: bytes
    peer: str
    caller: str
    at: float
    received_ns: int
    json_bytes: int = 0
    parent: ParentSpan | None = None


@dataclass(slots=True, eq=False)
class Trace:
    """What was done for a call so far: the only part of a call that changes. The chunks of a call share it.

    Attributes:
        attempts: how many times a worker or booster was asked.
        queue_s: how long the call waited for a free worker, in seconds; the longest wait if there were several.
        sent: when a worker was first asked, in seconds on the loop's clock; None if none was.
        answered: when a worker last answered, in seconds on the loop's clock; None if none did.
        queued: when the call began to wait behind other calls, in seconds on the loop's clock; None if it did not.
        noted: the attempts one by one; None where calls are not traced.
    """

    attempts: int = 0
    queue_s: float = 0.0
    sent: float | None = None
    answered: float | None = None
    queued: float | None = None
    noted: Attempts | None = None

    @property
    def backend_s(self) -> float:
        """The seconds from the first question to a worker until the last answer; 0 without an answer."""
        return 0.0 if self.sent is None or self.answered is None else self.answered - self.sent

    def ask(self, asked: float, sent: float) -> None:
        """Notes that a worker was asked at `sent`, after the call had waited for it since `asked`."""
        self.attempts += 1
        self.queue_s = max(self.queue_s, sent - asked)
        self._begin(sent)

    def add(self, other: "Trace") -> None:
        """Adds what was done for this call as a part of a coalesced batch, which has the trace `other`."""
        self.attempts += other.attempts
        self.queue_s = max(self.queue_s, other.queue_s)
        if other.sent is not None:
            self._begin(other.sent)
        self.answered = self.answered if other.answered is None else other.answered

    def leave(self, at: float) -> None:
        """Notes that the call stopped waiting at `at`; it counts as queue time if no worker was ever asked."""
        if self.sent is None and self.queued is not None:
            self.queue_s = max(self.queue_s, at - self.queued)

    def _begin(self, sent: float) -> None:
        if self.sent is not None:
            return
        self.sent = sent
        if self.queued is not None:
            self.queue_s = max(self.queue_s, sent - self.queued)


@value
class Call:
    """One batch on its way to one resident version.

    Attributes:
        request_id: the id that the caller gave, or one that was made for the call.
        model: the version that scores it, which is chosen once, when the call arrives.
        batch: the rows, bound to the model's features; never empty.
        arrived: when the whole request had arrived, in seconds on the loop's clock.
        deadline: the caller's deadline, and from the deadline layer inwards the one that counts; None if the caller set
            none.
        defaults: the default score of each output; empty if none is configured or allowed.
        coalesced: whether this is a coalesced batch, with the rows of several calls.
        lost: how many workers were lost with these rows before.
        trace: what was done for the call so far.
        caller: who the caller is; empty for calls that the bridge makes itself.
        partial: whether rows that can't be scored leave the other rows their scores; only for a row-wise model.
        ignored: the places of the request's columns that the caller had ignored, and that are not in the batch.
        looked_up: what was looked up by the caller's keys; None if nothing had to be.
    """

    request_id: str
    model: ModelRef
    batch: Batch
    arrived: float
    deadline: Deadline | None = None
    defaults: tuple[DefaultScore, ...] = ()
    coalesced: bool = False
    lost: int = 0
    trace: Trace = field(default_factory=Trace)
    caller: str = ""
    partial: bool = False
    ignored: tuple[int, ...] = ()
    looked_up: LookedUp | None = None

    @property
    def rows(self) -> int:
        """The number of rows to score."""
        return self.batch.rows

    def until(self, deadline: Deadline) -> "Call":
        """Returns this call with another deadline; takes a third of the time of `dataclasses.replace`."""
        return Call(
            self.request_id,
            self.model,
            self.batch,
            self.arrived,
            deadline,
            self.defaults,
            self.coalesced,
            self.lost,
            self.trace,
            self.caller,
            self.partial,
            self.ignored,
            self.looked_up,
        )

    def elapsed_s(self) -> float:
        """Returns the seconds since the call arrived."""
        return now() - self.arrived


@value
class Range:
    """Neighbouring rows of a call that ended in the same way.

    With scores alone, they are the model's; with an error alone, the rows failed; with both, the scores are default
    scores and the error is the reason for them.

    Attributes:
        first: the 0-based number of the first row.
        count: the number of rows.
        scores: one column for each output; empty if the rows failed.
        error: why the rows failed or have default scores; None if the scores are the model's.
    """

    first: int
    count: int
    scores: tuple[Column, ...] = ()
    error: BridgeError | None = None

    def __post_init__(self) -> None:
        if not self.scores and self.error is None:
            raise ValueError("a range must have scores or an error")

    @property
    def failed(self) -> bool:
        """Whether these rows have no scores."""
        return not self.scores

    @property
    def defaulted(self) -> bool:
        """Whether these rows have default scores."""
        return bool(self.scores) and self.error is not None


@value
class Outcome:
    """The outcome of a call.

    Attributes:
        ranges: ranges that cover every row once, ascending and without gaps.
        partial: whether failed rows are answered as missing, and marked so, instead of failing the call.
    """

    ranges: tuple[Range, ...]
    partial: bool = False

    @classmethod
    def failed(cls, rows: int, error: BridgeError) -> Self:
        """Returns the outcome in which all rows failed with one error."""
        return cls((Range(0, rows, error=error),))

    def first_failure(self) -> BridgeError | None:
        """Returns the error that fails the call: that of the first failed range; None if the call does not fail."""
        return None if self.partial else next((part.error for part in self.ranges if part.failed), None)


Scorer = Callable[[Call], Coroutine[Any, Any, Outcome]]
Layer = Callable[[Call, Scorer], Coroutine[Any, Any, Outcome]]
