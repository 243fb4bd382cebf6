"""What the report draws, gathered in bounded memory: a sample of scores, the worst rows, and the course of time."""

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
_MOST_DRAWN = 12  # outputs of a version: its scores come first, contributions and leaves may be thousands
_SEED = 1


class Sample:
    """Logged and re-scored numbers of one output; a fair sample once there are more than 20,000."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(_SEED)
        self._parts: list[Array] = []
        self._held = 0

    def add(self, logged: Array, rescored: Array) -> None:
        """Takes rows in."""
        self._parts.append(np.column_stack([self._random.random(len(logged)), logged, rescored]))
        self._held += len(logged)
        if self._held > 4 * _SAMPLE_ROWS:
            self._parts = [self.rows()]
            self._held = len(self._parts[0])

    def rows(self) -> Array:
        """Shape (rows, 3): a random number, logged, re-scored."""
        rows = np.concatenate(self._parts) if self._parts else np.empty((0, 3))
        if len(rows) <= _SAMPLE_ROWS:
            return rows
        kept: Array = rows[np.argpartition(rows[:, 0], _SAMPLE_ROWS)[:_SAMPLE_ROWS]]
        return kept


@dataclass(slots=True)
class Minute:
    """What happened in one minute.

    Attributes:
        calls: answered.
        rows: answered.
        defaulted: of these, with a default score.
        total_s: summed time of the calls, seconds.
        most_s: the longest call, seconds.
    """

    calls: int = 0
    rows: int = 0
    defaulted: int = 0
    total_s: float = 0.0
    most_s: float = 0.0

    def add(self, other: "Minute") -> None:
        """Takes another one in."""
        self.calls += other.calls
        self.rows += other.rows
        self.defaulted += other.defaulted
        self.total_s += other.total_s
        self.most_s = max(self.most_s, other.most_s)


@dataclass(eq=False)
class Course:
    """Default rate and latency over time, by the minute that a call was received in (Unix time / 60)."""

    minutes: dict[int, Minute] = field(default_factory=lambda: defaultdict(Minute))

    def add(self, call: AnsweredCall) -> None:
        """Takes an answered call in."""
        took_s = call.record.total_ns / 1e9
        defaulted = sum(part.count for part in call.response.defaulted_rows)
        minute = call.record.received_ns // (60 * 10**9)
        self.minutes[minute].add(Minute(1, call.rows, defaulted, took_s, took_s))

    def bins(self, most: int) -> dict[int, Minute]:
        """By the hour, or so coarse that there are at most so many bins; the key is the first minute."""
        if not self.minutes:
            return {}
        first, last = min(self.minutes), max(self.minutes)
        width = 1 if last - first < most else max(60, -(-(last - first + 1) // most))
        merged: dict[int, Minute] = defaultdict(Minute)
        for minute, one in sorted(self.minutes.items()):
            merged[minute - minute % width].add(one)
        return dict(merged)


class WorstRow(NamedTuple):
    """A row that differs most."""

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
    """Gathered over all versions.

    Attributes:
        samples: of compared rows, by version and output.
        differing: of those that differ, which a fair sample of many rows would miss.
        undrawn: outputs that are left out of both, because their version has so many; by version.
        course: of all answered calls.
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
        """Takes a compared batch in."""
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
    """The inputs of one row of a batch, as text."""
    batch = logged_batch.batch
    if isinstance(batch, Matrix):
        names = batch.names or tuple(str(position) for position in range(batch.values.shape[1]))
        return {name: repr(float(value)) for name, value in zip(names, batch.values[at], strict=True)}
    return {column.name: "missing" if column.missing()[at] else str(column.values[at]) for column in batch.columns}
