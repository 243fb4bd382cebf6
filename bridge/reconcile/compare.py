"""Compares logged scores with re-scored ones, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bridge.columns import Array, Column, Mask, Type
from bridge.reconcile.calls import LoggedBatch

__all__ = ["Comparison", "Failure", "OutputComparison", "Rescored", "Rescorer", "compare"]


@dataclass(frozen=True, slots=True, eq=False)
class Rescored:
    """The scores of a batch to compare with the logged ones.

    Attributes:
        columns: one column for each output.
        known: which rows have a score here, shape (rows,); None if all have.
        left_out: the names of logged outputs that have no scores here, and are not compared.
    """

    columns: tuple[Column, ...]
    known: Mask | None = None
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Failure:
    """A batch that could not be scored again.

    Attributes:
        reason: why the batch could not be scored; it may hold input values.
        over_limit: whether it was ended because it took too long, which says nothing about its scores.
    """

    reason: str
    over_limit: bool = False


class Rescorer(Protocol):
    """Provides scores to compare with the logged ones."""

    @property
    def engine(self) -> str:
        """The program that computes the scores, such as "xgboost 3.2.0"; empty if that is not known."""

    def score(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        """Scores each batch as a call of its own, and returns the results in order."""

    def close(self) -> None:
        """Frees processes and files."""


@dataclass(frozen=True, slots=True, eq=False)
class OutputComparison:
    """The comparison of one output of a batch.

    Attributes:
        name: the name of the output.
        logged: the logged scores; None if the logged answer has no such output.
        rescored: the scores to compare with; None if they have no such output.
        different: which rows differ, shape (rows,), default scores and failed rows included.
        distance: how far the two numbers of each row are apart, shape (rows,); infinite where one is missing or they
            are unequal texts.
    """

    name: str
    logged: Column | None
    rescored: Column | None
    different: Mask
    distance: Array


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The comparison of one batch; all masks have shape (rows,).

    Attributes:
        logged_batch: the logged rows.
        outputs: the comparison of each output.
        defaulted: which rows were answered with a default score.
        failed: which rows were answered without a score.
        unknown: which rows have nothing to compare with.
        different: which of the rows that the model scored differ in any output.
        failure: why the batch could not be scored again; empty if it was.
        over_limit: whether that is because it took too long; its rows then count as unknown and not as different.
        left_out: the names of outputs that were not compared.
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
        """Which rows the model scored: neither defaulted nor failed."""
        return ~self.defaulted & ~self.failed


def compare(logged_batch: LoggedBatch, rescored: Rescored | Failure, tolerance: float) -> Comparison:
    """Compares the logged scores of a batch with other scores of the same rows.

    Args:
        logged_batch: the logged rows.
        rescored: the scores to compare with. A failure makes every row that the model scored different; one over the
            time limit leaves all rows unknown instead.
        tolerance: how far numbers may be apart and still count as equal; 0 asks for the same bits. Missing equals
            missing.
    """
    rows = len(logged_batch.rows)
    reason, over_limit = "", False
    if isinstance(rescored, Failure):
        reason, over_limit = rescored.reason, rescored.over_limit
        rescored = Rescored((), known=np.zeros(rows, np.bool_) if over_limit else None)
    logged = {column.name: _take(column, logged_batch.rows) for column in logged_batch.call.scores()}
    asked = logged_batch.call.outputs
    found = {column.name: column for column in rescored.columns if not asked or column.name in asked}
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
        different |= both & (logged.values.view(bits) != found.values.view(bits))  # tells 0 from -0
    return OutputComparison(name, logged, found, different, distance)


def _distance(logged: Column, found: Column) -> Array:
    ours, theirs = logged.missing(), found.missing()
    if Type.STRING in (logged.type, found.type):
        equal = (logged.values == found.values) if logged.type is found.type else np.zeros(len(logged), np.bool_)
        distance = np.where(np.asarray(equal, np.bool_), 0.0, np.inf)
    else:
        distance = _apart(logged, found)
        distance[np.isnan(distance)] = np.inf
    distance[ours != theirs] = np.inf
    distance[ours & theirs] = 0.0
    return distance


def _apart(logged: Column, found: Column) -> Array:
    """Returns how far numbers are apart; NaN where one is no number."""
    if Type.INT64 in (logged.type, found.type):  # doubles do not hold all of these, and Python compares them exactly
        pairs = zip(logged.values.tolist(), found.values.tolist(), strict=True)
        return np.array([0.0 if one == other else float(abs(one - other)) or 1.0 for one, other in pairs])
    left, right = logged.values.astype(np.float64), found.values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(left == right, 0.0, np.abs(left - right))
