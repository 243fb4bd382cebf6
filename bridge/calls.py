"""What is asked and what is answered: immutable values, no I/O.

The theory of the bridge in two types: a *scorer* is `async Call -> Outcome`, a *layer* is `(call, inner) -> Outcome`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from bridge.columns import Batch, Column, Type, all_missing, constant
from bridge.errors import BridgeError
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
    """The instant on the monotonic clock of the running loop, seconds."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One version of one model; the digest covers every byte of its bundle."""

    model: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}" if self.version else self.model


@value
class Deadline:
    """An instant on the loop's clock after which an answer is worth nothing."""

    instant: float

    @classmethod
    def after(cls, timeout_s: float) -> Self:
        """The deadline that is `timeout_s` seconds from now."""
        return cls(now() + timeout_s)

    def remaining_s(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.instant - now()

    def expired(self) -> bool:
        """No time is left."""
        return self.remaining_s() <= 0


@dataclass(frozen=True, slots=True)
class Output:
    """One named score that a model gives for each row.

    Attributes:
        name: as callers see it.
        type: of its column.
        additional: it explains the scores, such as contributions; where they are defaults, it is missing.
    """

    name: str
    type: Type
    additional: bool = False


@dataclass(frozen=True, slots=True)
class DefaultScore:
    """What one output is answered with where the model can't be asked in time; None, of additional ones, is missing."""

    output: Output
    value: float | bool | str | None

    def column(self, rows: int) -> Column:
        """The default for this many rows."""
        if self.value is None:
            return all_missing(self.output.name, self.output.type, rows)
        return constant(self.output.name, self.output.type, self.value, rows)


@value
class Arrival:
    """How a request came: what the log has to keep of it.

    Attributes:
        method: the gRPC method's path.
        request: the bytes that came.
        peer: the caller's address.
        caller: whose it is: the name in a certificate, or an address.
        at: when they were whole, on the loop's clock.
        received_ns: the same on the wall clock, nanoseconds since 1970.
    """

    method: str
    request: bytes
    peer: str
    caller: str
    at: float
    received_ns: int


@dataclass(slots=True, eq=False)
class Trace:
    """What was done for a call so far: the one thing about it that changes. Its chunks share it.

    Attributes:
        attempts: how many times a worker or booster was asked.
        queue_s: how long it waited for a free worker, seconds; the longest wait where it was asked more than once.
        sent: when a worker was first asked, on the loop's clock; None if none was.
        answered: when one answered last.
        queued: since when it waits behind other calls, on the loop's clock; None if it need not.
    """

    attempts: int = 0
    queue_s: float = 0.0
    sent: float | None = None
    answered: float | None = None
    queued: float | None = None

    @property
    def backend_s(self) -> float:
        """Seconds from the first question to the last answer."""
        return 0.0 if self.sent is None or self.answered is None else self.answered - self.sent

    def ask(self, asked: float, sent: float) -> None:
        """A worker was free at `sent`, for which the call had waited since `asked`."""
        self.attempts += 1
        self.queue_s = max(self.queue_s, sent - asked)
        self._begin(sent)

    def add(self, other: "Trace") -> None:
        """What was done for this call together with others."""
        self.attempts += other.attempts
        self.queue_s = max(self.queue_s, other.queue_s)
        if other.sent is not None:
            self._begin(other.sent)
        self.answered = self.answered if other.answered is None else other.answered

    def leave(self, at: float) -> None:
        """It waits no more, and was given to no worker unless it was before."""
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
        request_id: the caller's, or made for it.
        model: the version that was resolved, once, at arrival.
        batch: bound to the model's features, never empty.
        arrived: when the request was whole, on the loop's clock.
        deadline: the caller's own until the deadline layer has fixed the one that counts; None if the caller set none.
        defaults: one per output, or empty if a default is not configured or not allowed.
        coalesced: it is a coalesced batch, of several callers' rows.
        lost: how many workers were lost with these rows before.
        trace: what was done for it.
        caller: whose it is; empty for calls that the bridge makes itself.
        partial: rows that can't be scored leave the others their scores; only of a model that is row-wise.
        ignored: the places of columns that came and are not in the batch, because the caller had them ignored.
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

    @property
    def rows(self) -> int:
        """How many rows are to be scored."""
        return self.batch.rows

    def until(self, deadline: Deadline) -> "Call":
        """This call with the deadline that counts: what `replace` does, at a third of its price."""
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
        )

    def elapsed_s(self) -> float:
        """Seconds since the call arrived."""
        return now() - self.arrived


@value
class Range:
    """Neighbouring rows that share their fate.

    Scores without an error are the model's; an error without scores is a failure; both together are default scores and
    the reason for them.
    """

    first: int
    count: int
    scores: tuple[Column, ...] = ()
    error: BridgeError | None = None

    def __post_init__(self) -> None:
        if not self.scores and self.error is None:
            raise ValueError("a range has scores or an error")

    @property
    def failed(self) -> bool:
        """These rows have no scores at all."""
        return not self.scores

    @property
    def defaulted(self) -> bool:
        """These rows carry default scores."""
        return bool(self.scores) and self.error is not None


@value
class Outcome:
    """What became of a call: its rows in ranges, ascending and without gaps.

    Attributes:
        ranges: cover every row once.
        partial: its failed rows are answered as missing, and told as such; they don't fail the call.
    """

    ranges: tuple[Range, ...]
    partial: bool = False

    @classmethod
    def failed(cls, rows: int, error: BridgeError) -> Self:
        """No row was scored."""
        return cls((Range(0, rows, error=error),))

    def first_failure(self) -> BridgeError | None:
        """The error of the first range that has no scores, if there is one and it fails the call."""
        return None if self.partial else next((part.error for part in self.ranges if part.failed), None)


Scorer = Callable[[Call], Coroutine[Any, Any, Outcome]]
Layer = Callable[[Call, Scorer], Coroutine[Any, Any, Outcome]]
