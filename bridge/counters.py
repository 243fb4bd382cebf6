"""What a gateway counts of its calls since its start: for its pages and for whoever scrapes them.

Counting must cost next to nothing, so these are plain numbers, changed on the event loop alone. They are counted by
what the gateway has: versions, wires, codes and reasons. A caller can't make another one.
"""

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

from bridge.calls import Call, ModelRef, Outcome

__all__ = ["SECONDS", "Counters", "FrontRefusal", "Histogram", "Minute", "Totals", "VersionCounters"]

# Upper bounds of the histograms' buckets, in seconds: 0.5 ms to 60 s.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_MINUTES = 60  # that are kept for the pages


class FrontRefusal(StrEnum):
    """Why a front refuses what no service gets to see, where no error of `bridge.errors` says it.

    Attributes:
        meaning: what happened, in a sentence.
    """

    meaning: str

    CONNECTION_LIMIT = "CONNECTION_LIMIT", "A connection to the HTTP port was closed at once: it had max_connections."
    HANDSHAKE_FAILED = "HANDSHAKE_FAILED", "A connection to the HTTP port did not get through its TLS handshake."
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE", "The headers of a request were larger than max_header_bytes."
    MALFORMED = "MALFORMED", "The bytes on the HTTP port were no HTTP/1.1 request."
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED", "A path of the HTTP port does not take this method."
    NO_MESSAGE = "NO_MESSAGE", "A gRPC call ended without a message: none came, or grpc-core refused it, as too large."
    NOT_FOUND = "NOT_FOUND", "The HTTP port has no such path, or the gRPC port no such method."
    TOO_LARGE = "TOO_LARGE", "A message or body was larger than max_message_bytes."
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE", "A body was not JSON, or was coded in a way that is not known."

    def __new__(cls, name: str, meaning: str) -> Self:
        """Makes a reason that is its own name."""
        made = str.__new__(cls, name)
        made._value_, made.meaning = name, meaning
        return made


class Histogram:
    """How long things took.

    Attributes:
        counts: how many fell into each bucket of `SECONDS`, each bound included, and last those above all of them.
        total_s: the sum of all, in seconds.
    """

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total_s += seconds


@dataclass(slots=True)
class Minute:
    """What was counted of one version in one minute.

    Attributes:
        number: the whole minutes from the start of the loop's clock to the start of this one.
        calls: the calls that were answered, failed or cancelled.
        failed: those of them that were not answered.
        rows: the rows that were answered with a score of the model.
        defaulted: the rows that were answered with a default score.
        unscored: the rows of answered partial calls that came back without a score.
        seconds: how long the calls took.
    """

    number: int
    calls: int = 0
    failed: int = 0
    rows: int = 0
    defaulted: int = 0
    unscored: int = 0
    seconds: Histogram = field(default_factory=Histogram)


class Totals(NamedTuple):
    """What was counted of the calls for one version up to one moment: the attributes of `VersionCounters`, copied.

    Each of the times has its counts by bucket and its sum in seconds.
    """

    calls: dict[tuple[str, str], int]
    rows: dict[str, int]
    default_rows: dict[str, int]
    failed_rows: dict[str, int]
    call_s: tuple[list[int], float]
    queue_s: tuple[list[int], float]
    backend_s: tuple[list[int], float]


class VersionCounters:
    """What is counted of the calls for one version.

    Attributes:
        calls: the calls by wire and gRPC status code, with those that were refused when their version was known.
        rows: the rows of answered calls by source: MODEL, DEFAULT or FAILED.
        default_rows: the rows with default scores by reason.
        failed_rows: the rows without scores of answered partial calls by reason.
        call_s: how long calls took from the whole request to the answer.
        queue_s: how long they waited for a worker.
        backend_s: how long workers had them; calls for which none was asked are not counted.
        minutes: the last 60 minutes in which the version had calls, in order.
    """

    __slots__ = ("backend_s", "call_s", "calls", "default_rows", "failed_rows", "minutes", "queue_s", "rows")

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.rows: Counter[str] = Counter()
        self.default_rows: Counter[str] = Counter()
        self.failed_rows: Counter[str] = Counter()
        self.call_s, self.queue_s, self.backend_s = Histogram(), Histogram(), Histogram()
        self.minutes: deque[Minute] = deque(maxlen=_MINUTES)

    def answered(self, call: Call, wire: str, outcome: Outcome, at: float) -> None:
        """Counts a call that was answered at `at`, in seconds on the loop's clock."""
        minute = self._timed(call, wire, "OK", at)
        for part in outcome.ranges:
            error, count = part.error, part.count
            if error is None:
                self.rows["MODEL"] += count
                minute.rows += count
            elif part.failed:
                self.rows["FAILED"] += count
                self.failed_rows[error.failed_reason or error.reason] += count
                minute.unscored += count
            else:
                self.rows["DEFAULT"] += count
                self.default_rows[error.default_reason or error.reason] += count
                minute.defaulted += count

    def failed(self, call: Call, wire: str, code: str, at: float) -> None:
        """Counts a call that was not answered, by the name of its gRPC status code."""
        self._timed(call, wire, code, at).failed += 1

    def totals(self) -> Totals:
        """Returns a copy of all but the minutes, for another thread to read."""
        call_s, queue_s, backend_s = self.call_s, self.queue_s, self.backend_s
        return Totals(
            calls=dict(self.calls),
            rows=dict(self.rows),
            default_rows=dict(self.default_rows),
            failed_rows=dict(self.failed_rows),
            call_s=(call_s.counts.copy(), call_s.total_s),
            queue_s=(queue_s.counts.copy(), queue_s.total_s),
            backend_s=(backend_s.counts.copy(), backend_s.total_s),
        )

    def _timed(self, call: Call, wire: str, code: str, at: float) -> Minute:
        trace, took_s = call.trace, at - call.arrived
        self.calls[wire, code] += 1
        self.call_s.add(took_s)
        self.queue_s.add(trace.queue_s)
        if trace.sent is not None:
            self.backend_s.add(trace.backend_s)
        minutes, number = self.minutes, int(at // 60)
        if not minutes or minutes[-1].number != number:
            minutes.append(Minute(number))
        minute = minutes[-1]
        minute.calls += 1
        minute.seconds.add(took_s)
        return minute


class Counters:
    """What is counted of all calls of a gateway.

    Attributes:
        versions: what is counted of each version that has had a call, by its model and number.
        refusals: the requests that were refused before they became a call, by the UPPER_SNAKE name of the event.
    """

    def __init__(self) -> None:
        self.versions: dict[tuple[str, int], VersionCounters] = {}
        self.refusals: Counter[str] = Counter()

    def of(self, ref: ModelRef) -> VersionCounters:
        """Returns the counters of a version, which begin at zero with its first call."""
        # Not by the ref itself: its digest is known only once the bundle was read, and calls come before that.
        key = ref.model, ref.version
        found = self.versions.get(key)
        if found is None:
            found = self.versions[key] = VersionCounters()
        return found

    def refused(self, reason: str, wire: str = "", code: str = "", ref: ModelRef | None = None) -> None:
        """Counts a request that was refused before it became a call; also as a call of its version, if that is known.

        Args:
            reason: the UPPER_SNAKE name of the event, one of the gateway's own.
            wire: the name of its wire.
            code: the name of the gRPC status code that the caller gets.
            ref: the version that the request was for; None if it is not known.
        """
        self.refusals[reason] += 1
        if ref is not None:
            self.of(ref).calls[wire, code] += 1

    def keep(self, present: set[tuple[str, int]]) -> None:
        """Lets go of the versions that are not in `present`, so that the numbers of a year's versions don't add up."""
        for key in self.versions.keys() - present:
            del self.versions[key]
