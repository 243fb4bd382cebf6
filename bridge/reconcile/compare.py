"""Logged scores against others, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bridge.columns import Array, Column, Mask, Type
from bridge.reconcile.calls import LoggedBatch

__all__ = ["Comparison", "Failure", "OutputComparison", "Rescored", "Rescorer", "compare"]


@dataclass(frozen=True, slots=True, eq=False)
class Rescored:
    """Scores of a batch.

    Attributes:
        columns: one an output.
        known: which rows have scores; None if all have.
        left_out: outputs that nothing is known of, and that are therefore not compared.
    """

    columns: tuple[Column, ...]
    known: Mask | None = None
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Failure:
    """A batch that could not be scored again.

    Attributes:
        reason: why; it may hold input values.
        over_limit: it was ended for taking too long, which says nothing of its scores.
    """

    reason: str
    over_limit: bool = False


class Rescorer(Protocol):
    """What gives scores to compare with."""

    @property
    def engine(self) -> str:
        """What computes them, such as "xgboost 3.2.0"; empty if that is not known."""

    def score(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        """Scores each batch as a call of its own, in order."""

    def close(self) -> None:
        """Lets go of processes and files."""


@dataclass(frozen=True, slots=True, eq=False)
class OutputComparison:
    """One output of a batch.

    Attributes:
        name: of the output.
        logged: what was answered; None if the model had no such output then.
        rescored: what it is now; None if there is none.
        different: which rows differ, whatever they are.
        distance: how far they are apart; infinite where that is no number.
    """

    name: str
    logged: Column | None
    rescored: Column | None
    different: Mask
    distance: Array


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One batch.

    Attributes:
        logged_batch: what was compared.
        outputs: one by one.
        defaulted: rows that were answered with a default score.
        failed: rows that were answered without a score.
        unknown: rows that there is nothing to compare with.
        different: rows that the model scored otherwise, by any output.
        failure: why there are no scores; empty if there are.
        over_limit: because it took too long; none of its rows is different for that.
        left_out: outputs that were not compared.
    """

    logged_batch: LoggedBatch
    outputs: tuple[OutputComparison, ...]
    defaulted: Mask
    failed: Mask
    unknown: Mask
    different: Mask
    failure: str = ""
    over_limit: bool = False
    left_out: frozenset[str] = frozenset()

    @property
    def by_model(self) -> Mask:
        """Rows that the model scored."""
        return ~self.defaulted & ~self.failed


def compare(logged_batch: LoggedBatch, rescored: Rescored | Failure, tolerance: float) -> Comparison:
    """Holds what was answered against what is.

    Args:
        logged_batch: the logged rows.
        rescored: their scores by another way; a failure makes every row different that was the model's, but one of
            time, which leaves all of them unknown.
        tolerance: how far numbers may be apart; 0 asks for the same bits. Missing is equal to missing.
    """
    rows = len(logged_batch.rows)
    reason, over_limit = "", False
    if isinstance(rescored, Failure):
        reason, over_limit = rescored.reason, rescored.over_limit
        rescored = Rescored((), known=np.zeros(rows, np.bool_) if over_limit else None)
    logged = {column.name: _take(column, logged_batch.rows) for column in logged_batch.call.scores()}
    found = {column.name: column for column in rescored.columns}
    outputs = tuple(
        OutputComparison(name, logged[name], None, np.zeros(rows, np.bool_), np.zeros(rows))
        if name in rescored.left_out
        else _compare_output(name, logged.get(name), found.get(name), rows, tolerance)
        for name in {**logged, **found}
    )
    unknown = np.zeros(rows, np.bool_) if rescored.known is None else ~rescored.known
    last = int(logged_batch.rows.max(initial=-1)) + 1
    failed = logged_batch.call.failed(last)[logged_batch.rows]
    defaulted = (logged_batch.call.reasons(last)[logged_batch.rows] != 0) & ~failed
    different = np.zeros(rows, np.bool_)
    for output in outputs:
        different |= output.different
    different &= ~defaulted & ~failed & ~unknown
    return Comparison(
        logged_batch, outputs, defaulted, failed, unknown, different, reason, over_limit, rescored.left_out
    )


def _take(column: Column, rows: Array) -> Column:
    mask = None if column.mask is None else column.mask[rows]
    return Column(column.name, column.type, column.values[rows], mask)


def _compare_output(
    name: str, logged: Column | None, found: Column | None, rows: int, tolerance: float
) -> OutputComparison:
    if logged is None or found is None:
        return OutputComparison(name, logged, found, np.ones(rows, np.bool_), np.full(rows, np.inf))
    distance = _distance(logged, found)
    different = distance > tolerance
    if tolerance == 0 and logged.type is found.type and logged.type.is_floating:
        bits = np.dtype(f"u{logged.values.dtype.itemsize}")
        both = ~logged.missing()
        different |= both & (logged.values.view(bits) != found.values.view(bits))  # 0 and -0
    return OutputComparison(name, logged, found, different, distance)


def _distance(logged: Column, found: Column) -> Array:
    ours, theirs = logged.missing(), found.missing()
    if Type.STRING in (logged.type, found.type):
        equal = (logged.values == found.values) if logged.type is found.type else np.zeros(len(logged), np.bool_)
        distance = np.where(np.asarray(equal, np.bool_), 0.0, np.inf)
    else:
        left, right = logged.values.astype(np.float64), found.values.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            distance = np.where(left == right, 0.0, np.abs(left - right))
        distance[np.isnan(distance)] = np.inf
    distance[ours != theirs] = np.inf
    distance[ours & theirs] = 0.0
    return distance
