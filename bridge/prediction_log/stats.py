"""Numbers about a log, in constant memory: calls and rows, defaults and why, what was raised, how long it took."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.prediction_log.conditions import Conditions, Raised
from bridge.prediction_log.rows import answered_rows, reason_name

__all__ = ["Histogram", "Stats", "Tally", "print_stats"]

_FINEST_S = 1e-6
_GROWTH = math.log(1.02)
_NO_VERSION = "(no version)"
_MS = 1000.0


class Histogram:
    """Times in logarithmic steps of 2 %: a percentile is within 1 % of the time it stands for, from 1 us upwards.

    Its memory grows with the number of different steps, never with that of the times.

    Attributes:
        counts: how many times fell into each step; step 0 begins at 1 us.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Counts one time; below a microsecond is a microsecond."""
        self.counts[math.floor(math.log(max(seconds, _FINEST_S) / _FINEST_S) / _GROWTH)] += 1

    def merge(self, other: "Histogram") -> None:
        """Counts all that the other has counted."""
        self.counts.update(other.counts)

    def percentile(self, percent: float) -> float | None:
        """Seconds that `percent` of 100 of the times do not exceed (nearest rank); None if there are none."""
        rank = math.ceil(self.counts.total() * percent / 100)
        for step in sorted(self.counts):
            rank -= self.counts[step]
            if rank <= 0:
                return _FINEST_S * math.exp((step + 0.5) * _GROWTH)
        return None


@dataclass
class Tally:
    """Numbers about some calls.

    Attributes:
        calls: answered, failed and cancelled ones.
        rows: that were answered.
        defaulted: how many of them carry a default score, by reason.
        without_score: how many of them failed, in calls that wanted the others nevertheless, by reason.
        errors: how many calls were not answered, by reason.
        latency: from the whole request to the answer, of all calls.
    """

    calls: int = 0
    rows: int = 0
    defaulted: Counter[str] = field(default_factory=Counter)
    without_score: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)

    @property
    def default_rate(self) -> float:
        """The part of the rows that carries a default score, 0 to 1."""
        return _rate(self.defaulted, self.rows)

    @property
    def default_rates(self) -> dict[str, float]:
        """The share of rows with a default score, by its reason, the most frequent first."""
        return _rates(self.defaulted, self.rows)

    def add(self, record: pb.LogRecord) -> None:
        """Counts one call, or those that a record stands for."""
        if record.suppressed:
            self.calls += record.suppressed
            self.errors[record.error_reason] += record.suppressed
            return
        self.calls += 1
        self.rows += answered_rows(record)
        for part in record.defaulted:
            self.defaulted[reason_name(part.reason)] += part.count
        for part in record.failed:
            self.without_score[reason_name(part.reason)] += part.count
        if record.status:
            self.errors[record.error_reason or str(record.status)] += 1
        self.latency.add(record.total_ns / 1e9)

    def merge(self, other: "Tally") -> None:
        """Counts all that the other has counted."""
        self.calls += other.calls
        self.rows += other.rows
        self.defaulted.update(other.defaulted)
        self.without_score.update(other.without_score)
        self.errors.update(other.errors)
        self.latency.merge(other.latency)


def _rate(counts: Counter[str], rows: int) -> float:
    return counts.total() / rows if rows else 0.0


def _rates(counts: Counter[str], rows: int) -> dict[str, float]:
    return {reason: count / rows for reason, count in counts.most_common()} if rows else {}


class Stats:
    """Tallies for each model, version and hour; calls that reached no version share one, whatever they asked for."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, int, str], Tally] = {}
        self._conditions: dict[tuple[str, int], Conditions] = {}

    def add(self, record: pb.LogRecord) -> None:
        """Counts one call."""
        hour = datetime.fromtimestamp(record.received_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:00Z")
        key = (record.model if record.version else _NO_VERSION, record.version, hour)
        self._tallies.setdefault(key, Tally()).add(record)
        if record.version:
            self._conditions.setdefault((record.model, record.version), Conditions()).add(record)

    def total(self) -> Tally:
        """All calls."""
        total = Tally()
        for tally in self._tallies.values():
            total.merge(tally)
        return total

    def by_version(self) -> dict[str, Tally]:
        """By "MODEL/VERSION", sorted."""
        merged: dict[str, Tally] = {}
        for (version, _), tally in self.by_hour().items():
            merged.setdefault(version, Tally()).merge(tally)
        return merged

    def by_hour(self) -> dict[tuple[str, str], Tally]:
        """By "MODEL/VERSION" and the hour in which calls were received, UTC; sorted."""
        return {
            (f"{model}/{version}" if version else model, hour): self._tallies[model, version, hour]
            for model, version, hour in sorted(self._tallies)
        }

    def conditions(self) -> dict[tuple[str, str], Raised]:
        """What models raised, by "MODEL/VERSION" and class; see `Conditions.listed` for which, and in what order."""
        return {
            (f"{model}/{version}", name): raised
            for model, version in sorted(self._conditions)
            for name, raised in self._conditions[model, version].listed()
        }


def print_stats(stats: Stats, console: Console) -> None:
    """Prints tables: each version and all calls, its hours, the reasons of defaults and errors, and what was raised.

    Rows without a score have a column and a table only where there are some.
    """
    total = stats.total()
    versions = [((name,), tally) for name, tally in stats.by_version().items()]
    counted = ["defaulted", "without score"] if total.without_score else ["defaulted"]
    console.print(_table(["model/version"], [*versions, (("all",), total)], counted))
    console.print()
    console.print(_table(["model/version", "hour"], stats.by_hour().items(), counted))
    if total.defaulted:
        console.print()
        console.print(_reasons("default reason", "rows", total.defaulted, total.rows))
    if total.without_score:
        console.print()
        console.print(_reasons("reason without score", "rows", total.without_score, total.rows))
    if total.errors:
        console.print()
        console.print(_reasons("error", "calls", total.errors, total.calls))
    if conditions := stats.conditions():
        console.print()
        console.print(_raised(conditions))


def _table(titles: Sequence[str], tallies: Iterable[tuple[Sequence[str], Tally]], counted: Sequence[str]) -> Table:
    table = Table(box=None)
    for title in titles:
        table.add_column(title, overflow="fold")
    for heading in ("calls", "failed", "rows", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in counted:
        table.add_column(heading, overflow="fold")
    for names, tally in tallies:
        rates = [_with_reasons(counts, tally.rows) for counts in (tally.defaulted, tally.without_score)]
        table.add_row(*map(escape, names), *_cells(tally), *rates[: len(counted)])
    return table


def _cells(tally: Tally) -> Iterator[str]:
    yield from (str(tally.calls), str(tally.errors.total()), str(tally.rows))
    for percent in (50, 95, 99):
        seconds = tally.latency.percentile(percent)
        yield "" if seconds is None else f"{seconds * _MS:.3g}"


def _with_reasons(counts: Counter[str], rows: int) -> str:
    reasons = ", ".join(f"{reason} {rate:.2%}" for reason, rate in _rates(counts, rows).items())
    return f"{_rate(counts, rows):.2%}{': ' if reasons else ''}{reasons}"


def _reasons(title: str, unit: str, counts: Counter[str], of: int) -> Table:
    table = Table(title, box=None)
    table.add_column(unit, justify="right")
    table.add_column("rate", justify="right")
    for reason, count in counts.most_common():
        table.add_row(escape(reason), str(count), f"{count / of:.2%}" if of else "")
    return table


def _raised(conditions: Mapping[tuple[str, str], Raised]) -> Table:
    table = Table(box=None)
    for title in ("model/version", "condition"):
        table.add_column(title, overflow="fold")
    for title in ("calls", "rows"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("latest message", overflow="fold")
    for (version, name), raised in conditions.items():
        # Text, as rich would look for markup and emoji in what models say.
        table.add_row(Text(version), Text(name), str(raised.calls), str(raised.rows), Text(raised.message))
    return table
