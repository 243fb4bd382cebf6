"""Gathers what the report shows, in bounded memory: a sample of scores, the worst rows, and rates over time."""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bridge.columns import Array, Column, Matrix, Type
from bridge.reconcile.calls import AnsweredCall, LoggedBatch
from bridge.reconcile.compare import Comparison, OutputComparison

__all__ = ["Course", "Minute", "Observations", "Sample", "WorstRow", "inputs_of"]

_SAMPLE_ROWS = 20_000
_WORST_ROWS = 20
_MOST_DRAWN = 12  # outputs of one version; its scores come first, contributions and leaves may be thousands
_SEED = 1


class Sample:
    """Pairs of logged and re-scored numbers of one output; a random sample once there are more than 20,000."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(_SEED)
        self._parts: list[Array] = []
        self._held = 0

    def add(self, logged: Array, rescored: Array) -> None:
        """Adds rows: the logged and the re-scored numbers, both of shape (rows,)."""
        self._parts.append(np.column_stack([self._random.random(len(logged)), logged, rescored]))
        self._held += len(logged)
        if self._held > 4 * _SAMPLE_ROWS:
            self._parts = [self.rows()]
            self._held = len(self._parts[0])

    def rows(self) -> Array:
        """Returns the sample, shape (rows, 3): a random number, the logged and the re-scored number of each row."""
        rows = np.concatenate(self._parts) if self._parts else np.empty((0, 3))
        if len(rows) <= _SAMPLE_ROWS:
            return rows
        kept: Array = rows[np.argpartition(rows[:, 0], _SAMPLE_ROWS)[:_SAMPLE_ROWS]]
        return kept


@dataclass(slots=True)
class Minute:
    """Counts of the calls that were received in one minute.

    Attributes:
        calls: the number of answered calls.
        rows: the number of rows in these calls.
        defaulted: the number of these rows that got a default score.
        total_s: the time that all these calls took together, seconds.
        most_s: the time that the longest of them took, seconds.
    """

    calls: int = 0
    rows: int = 0
    defaulted: int = 0
    total_s: float = 0.0
    most_s: float = 0.0

    def add(self, other: "Minute") -> None:
        """Adds the counts of another minute."""
        self.calls += other.calls
        self.rows += other.rows
        self.defaulted += other.defaulted
        self.total_s += other.total_s
        self.most_s = max(self.most_s, other.most_s)


@dataclass(eq=False)
class Course:
    """Default rate and latency over time.

    Attributes:
        minutes: the counts by the minute in which calls were received, as Unix time / 60.
    """

    minutes: dict[int, Minute] = field(default_factory=lambda: defaultdict(Minute))

    def add(self, call: AnsweredCall) -> None:
        """Counts an answered call in the minute in which it was received."""
        took_s = call.record.total_ns / 1e9
        defaulted = sum(part.count for part in call.response.defaulted_rows)
        minute = call.record.received_ns // (60 * 10**9)
        self.minutes[minute].add(Minute(1, call.rows, defaulted, took_s, took_s))

    def bins(self, most: int) -> dict[int, Minute]:
        """Returns the counts in about `most` bins at most, of a minute, an hour or more; keys are first minutes."""
        if not self.minutes:
            return {}
        first, last = min(self.minutes), max(self.minutes)
        width = 1 if last - first < most else max(60, -(-(last - first + 1) // most))
        merged: dict[int, Minute] = defaultdict(Minute)
        for minute, one in sorted(self.minutes.items()):
            merged[minute - minute % width].add(one)
        return dict(merged)


class WorstRow(NamedTuple):
    """One of the rows that differ most.

    Attributes:
        distance: how far the logged and the re-scored number are apart; infinite where one is missing or no number.
        order: breaks ties; larger for rows that came earlier.
        version: the model and version.
        output: the name of the output.
        request_id: the id of the call.
        row: the 0-based number of the row in the call.
        logged: the logged value, as text.
        rescored: the re-scored value, as text.
        inputs: the row's input values as text, by column.
    """

    distance: float
    order: int
    version: str
    output: str
    request_id: str
    row: int
    logged: str
    rescored: str
    inputs: dict[str, str]


@dataclass(eq=False)
class Observations:
    """What is gathered for the report over all versions.

    Attributes:
        samples: samples of the compared rows, by version and output.
        differing: samples of the rows that differ, by version and output; a sample of all rows could miss them.
        undrawn: the outputs that are not sampled, because their version has too many; by version.
        course: default rate and latency over time, of all answered calls.
        worst: the rows that differ most, as a heap.
    """

    samples: dict[tuple[str, str], Sample] = field(default_factory=lambda: defaultdict(Sample))
    differing: dict[tuple[str, str], Sample] = field(default_factory=lambda: defaultdict(Sample))
    undrawn: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    course: Course = field(default_factory=Course)
    worst: list[WorstRow] = field(default_factory=list)
    _drawn: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _order: int = 0

    def add(self, version: str, comparison: Comparison) -> None:
        """Adds a compared batch of a version."""
        usable = comparison.by_model & ~comparison.unknown
        for output in comparison.outputs:
            left, right = output.logged, output.rescored
            if (
                left is not None
                and right is not None
                and Type.STRING not in (left.type, right.type)
                and self._is_drawn(version, output.name)
            ):
                for sampled, rows in ((self.samples, usable), (self.differing, usable & output.different)):
                    if rows.any():
                        pair = left.values[rows].astype(np.float64), right.values[rows].astype(np.float64)
                        sampled[version, output.name].add(*pair)
            if comparison.different.any():
                self._add_worst(version, comparison, output)

    def _is_drawn(self, version: str, output: str) -> bool:
        drawn = self._drawn[version]
        if output in drawn or len(drawn) < _MOST_DRAWN:
            drawn.add(output)
            return True
        self.undrawn[version].add(output)
        return False

    def _add_worst(self, version: str, comparison: Comparison, output: OutputComparison) -> None:
        candidates = np.flatnonzero(comparison.different & output.different)
        for at in candidates[np.argsort(-output.distance[candidates])[:_WORST_ROWS]].tolist():
            distance = float(output.distance[at])
            if len(self.worst) == _WORST_ROWS and distance <= self.worst[0].distance:
                break
            self._order += 1
            logged_batch = comparison.logged_batch
            logged, rescored = _shown(output.logged, at), _shown(output.rescored, at)
            request_id, row = logged_batch.call.record.request_id, int(logged_batch.rows[at])
            inputs = inputs_of(logged_batch, at)
            worst = WorstRow(distance, -self._order, version, output.name, request_id, row, logged, rescored, inputs)
            if len(self.worst) == _WORST_ROWS:
                heapq.heapreplace(self.worst, worst)
            else:
                heapq.heappush(self.worst, worst)


def _shown(column: Column | None, at: int) -> str:
    return "none" if column is None else "missing" if column.missing()[at] else str(column.values[at])


def inputs_of(logged_batch: LoggedBatch, at: int) -> dict[str, str]:
    """Returns the input values of one row as text, by column.

    Args:
        logged_batch: the logged rows.
        at: the 0-based place of the row in the batch.
    """
    batch = logged_batch.batch
    if isinstance(batch, Matrix):
        names = batch.names or tuple(str(position) for position in range(batch.values.shape[1]))
        return {name: repr(float(value)) for name, value in zip(names, batch.values[at], strict=True)}
    return {column.name: "missing" if column.missing()[at] else str(column.values[at]) for column in batch.columns}
