"""Statistics of a log in constant memory: calls, rows, default scores, conditions, lookups, durations."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.prediction_log.conditions import Conditions, Raised
from bridge.prediction_log.lookup_counts import LookupCounts, lookup_table
from bridge.prediction_log.reasons import reason_name
from bridge.prediction_log.rows import answered_rows

__all__ = ["By", "Histogram", "Stats", "Tally", "print_stats"]

_FINEST_S = 1e-6
_GROWTH = math.log(1.02)
_NO_VERSION = "(no version)"
_NO_CALLER, _OTHERS = "(none)", "(others)"
_MOST_CALLERS = 1000  # where everybody may call, a caller is an address, and there are many of them
_MS = 1000.0


class Histogram:
    """Counts durations in logarithmic steps of 2 %, so that a percentile is within 1 % of the exact one, from 1 us up.

    Memory grows with the number of different steps, not with the number of durations.

    Attributes:
        counts: how many durations fell into each step; step 0 begins at 1 us.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Counts one duration; one below a microsecond counts as a microsecond."""
        self.counts[math.floor(math.log(max(seconds, _FINEST_S) / _FINEST_S) / _GROWTH)] += 1

    def merge(self, other: "Histogram") -> None:
        """Adds the counts of another histogram."""
        self.counts.update(other.counts)

    def percentile(self, percent: float) -> float | None:
        """Returns the seconds that `percent` % of the durations do not exceed (nearest rank); None if there is none."""
        rank = math.ceil(self.counts.total() * percent / 100)
        for step in sorted(self.counts):
            rank -= self.counts[step]
            if rank <= 0:
                return _FINEST_S * math.exp((step + 0.5) * _GROWTH)
        return None


@dataclass
class Tally:
    """Counts over a number of calls.

    Attributes:
        calls: the number of calls, with failed and cancelled ones.
        rows: the number of rows in the answers.
        defaulted: the number of rows with a default score, by reason.
        without_score: the number of failed rows in partial calls, by reason.
        errors: the number of calls that were not answered, by reason.
        latency: the time from the whole request to the answer, of all calls that have a record of their own.
    """

    calls: int = 0
    rows: int = 0
    defaulted: Counter[str] = field(default_factory=Counter)
    without_score: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)

    @property
    def default_rate(self) -> float:
        """The share of rows with a default score, from 0 to 1."""
        return _rate(self.defaulted, self.rows)

    @property
    def default_rates(self) -> dict[str, float]:
        """The share of rows with a default score for each reason, from 0 to 1, the most frequent reason first."""
        return _rates(self.defaulted, self.rows)

    def add(self, record: pb.LogRecord) -> None:
        """Counts the call of a record, or all the refused calls that a record stands for."""
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
        """Adds the counts of another tally."""
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


class By(StrEnum):
    """What the calls of a log are counted by."""

    VERSION = "version"
    CALLER = "caller"


class Stats:
    """Counts records by hour, and by model and version or by caller.

    Calls that reached no version are counted as one version "(no version)", and calls on whose records no caller stands
    as one caller "(none)". Callers beyond the first 1,000 are counted as one caller "(others)".

    Args:
        by: what the calls are counted by.

    Attributes:
        by: what the calls are counted by.
    """

    def __init__(self, by: By = By.VERSION) -> None:
        self.by = by
        self._tallies: dict[tuple[str, int, str], Tally] = {}
        self._callers: set[str] = set()
        self._conditions: dict[tuple[str, int], Conditions] = {}
        self._lookups: dict[tuple[str, int, str], LookupCounts] = {}

    def add(self, record: pb.LogRecord) -> None:
        """Counts one record."""
        hour = datetime.fromtimestamp(record.received_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:00Z")
        self._tallies.setdefault((*self._group(record), hour), Tally()).add(record)
        if record.version:
            self._conditions.setdefault((record.model, record.version), Conditions()).add(record)
        for one in record.lookups:
            self._lookups.setdefault((record.model, record.version, one.lookup.name), LookupCounts()).add(one)

    def _group(self, record: pb.LogRecord) -> tuple[str, int]:
        if self.by is By.CALLER:
            name = record.caller or _NO_CALLER
            if len(self._callers) < _MOST_CALLERS:
                self._callers.add(name)
            return name if name in self._callers else _OTHERS, 0
        return (record.model if record.version else _NO_VERSION), record.version

    def total(self) -> Tally:
        """Returns the counts over all calls."""
        total = Tally()
        for tally in self._tallies.values():
            total.merge(tally)
        return total

    def by_group(self) -> dict[str, Tally]:
        """Returns the counts of each version by "MODEL/VERSION", or of each caller by name, sorted."""
        merged: dict[str, Tally] = {}
        for (group, _), tally in self.by_hour().items():
            merged.setdefault(group, Tally()).merge(tally)
        return merged

    def by_hour(self) -> dict[tuple[str, str], Tally]:
        """Returns the counts by version or caller and the hour (UTC) in which calls were received, sorted."""
        return {
            (f"{name}/{version}" if version else name, hour): self._tallies[name, version, hour]
            for name, version, hour in sorted(self._tallies)
        }

    def conditions(self) -> dict[tuple[str, str], Raised]:
        """Returns the conditions that models raised, by "MODEL/VERSION" and class, as `Conditions.listed` has them."""
        return {
            (f"{model}/{version}", name): raised
            for model, version in sorted(self._conditions)
            for name, raised in self._conditions[model, version].listed()
        }

    def lookups(self) -> dict[tuple[str, str], LookupCounts]:
        """Returns what lookups gave, by "MODEL/VERSION" and the lookup's name, sorted."""
        return {
            (f"{model}/{version}", name): self._lookups[model, version, name]
            for model, version, name in sorted(self._lookups)
        }


def print_stats(stats: Stats, console: Console) -> None:
    """Prints tables of versions or callers, hours, reasons of default scores and of errors, conditions, and lookups.

    Rows without a score get a column and a table of their own only if there are any, and so do lookups.
    """
    total = stats.total()
    groups = [((name,), tally) for name, tally in stats.by_group().items()]
    heading = "caller" if stats.by is By.CALLER else "model/version"
    counted = ["defaulted", "without score"] if total.without_score else ["defaulted"]
    console.print(_table([heading], [*groups, (("all",), total)], counted))
    console.print()
    console.print(_table([heading, "hour"], stats.by_hour().items(), counted))
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
    if lookups := stats.lookups():
        console.print()
        console.print(lookup_table(lookups))


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
        # As Text, because in a str rich would look for markup and emoji, and models write these texts.
        table.add_row(Text(version), Text(name), str(raised.calls), str(raised.rows), Text(raised.message))
    return table
