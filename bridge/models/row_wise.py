"""Tests the author's claim that a model scores each row by itself, before it serves; it can't be proven.

A wrong claim would not fail later but give wrong scores: a batch may be cut and calls may be coalesced only where no
row's score depends on other rows. The library can break the claim too: OpenBLAS multiplies a matrix in blocks of rows,
and the rows left over in another way, with other last bits.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bridge.columns import Array, Batch, Column, Table, Type, all_missing, concatenate, join
from bridge.errors import MalformedPrediction, PredictionFailed
from bridge.models.trial_rows import spread

__all__ = ["Difference", "RowWise", "Score", "find_difference", "try_row_wise"]

Score = Callable[[Batch], Awaitable[tuple[Column, ...]]]

_FEW_ROWS = 16
_MOST_COLUMNS = 16  # columns that are set missing in turn, at two calls each
_MANY_ROWS = (100, 1000, 3000)  # batch sizes: some methods change with them, mgcv's discrete ones beyond a few hundred
_PIECES = (1, 2, 3)  # rows of a chunk: what blocks of four and of eight rows leave over
_MOST_PIECES = 150  # chunks of each size
_BESIDE_S = 10.0  # limit of the time for trying rows beside a row with a missing column, seconds
_MANY_S = 0.5  # limit of the expected time of one batch of many rows, seconds
_CHUNKS_S = 0.4  # limit of the time for chunks of one batch of many rows, seconds
_REFUSED = (PredictionFailed, MalformedPrediction)
# Relative: far more than another order of additions changes a score, far less than another row does. What is computed
# in single precision keeps it where its type does.
_ROUNDING, _ROUNDING_OF_FLOATS = 1e-8, 1e-4


@dataclass(frozen=True, slots=True)
class RowWise:
    """The result of testing whether rows are independent of each other.

    Attributes:
        rows: the largest number of rows that were tried together.
        refuted: why the rows depend on each other, in words; empty if nothing shows that they do.
        differs: whether scores were seen to differ; where `refuted` is set without it, rows could not be scored.
        by_rounding: whether the scores differ only in their last bits.
    """

    rows: int
    refuted: str = ""
    differs: bool = False
    by_rounding: bool = False


async def try_row_wise(rows: Batch, score: Score) -> RowWise:
    """Tests whether rows are independent: scores them together and one by one and compares every bit.

    Then scores them beside a row with a missing column, because a model that drops that row, or fills it in from the
    batch, shifts the scores of the others; then in batches of many rows.

    Args:
        rows: rows bound to the model's features; the first ones are tried, and many more made up in their ranges.
        score: scores any number of rows, and returns one column for each output.
    """
    few, times = rows.slice(0, min(rows.rows, _FEW_ROWS)), _Times()
    try:
        alone = await _cut(few, 1, times.of(score))
        found = find_difference(await times.of(score)(few), alone)
        found = found or find_difference(await _cut(few, _PIECES[-1], score), alone)
    except _REFUSED:
        return RowWise(few.rows, "rows could not be scored one by one")
    found = found or await _beside_odd_rows(few, alone, score)
    return _result(few.rows, found) if found else await _try_many(rows, score, few.rows, times)


class _Times:
    """How long batches took, to estimate larger ones; a call also has a fixed cost, whatever its number of rows."""

    def __init__(self) -> None:
        self._least_s: dict[int, float] = {}

    def of(self, score: Score) -> Score:
        """Returns a function that scores as the given one does, and notes how long each batch took."""

        async def timed(rows: Batch) -> tuple[Column, ...]:
            began = time.monotonic()
            columns = await score(rows)
            took_s = time.monotonic() - began
            self._least_s[rows.rows] = min(took_s, self._least_s.get(rows.rows, took_s))
            return columns

        return timed

    def expected_s(self, rows: int) -> float:
        """Returns the seconds that this many rows would take, estimated from the two largest batches so far."""
        *_, (fewer, fewer_s), (more, more_s) = [(0, 0.0), *sorted(self._least_s.items())]
        if not fewer:
            return more_s  # one batch size alone does not tell what a further row costs
        return more_s + max(0.0, more_s - fewer_s) / (more - fewer) * (rows - more)


async def _beside_odd_rows(rows: Batch, alone: Sequence[Column], score: Score) -> "Difference | None":
    first, until = rows.slice(0, 1), time.monotonic() + _BESIDE_S
    for column in range(min(_width(rows), _MOST_COLUMNS)):
        if time.monotonic() > until:
            break
        if found := await _beside(_without(first, column), rows, alone, score):
            return found
    return await _beside(_shifted(first), rows, alone, score)


async def _try_many(rows: Batch, score: Score, tried: int, times: _Times) -> RowWise:
    """Tries larger and larger batches while they are fast: against their chunks, and with a missing column in a row.

    Args:
        rows: the rows in whose ranges the batches are made up.
        score: scores any number of rows.
        tried: how many rows were tried together so far.
        times: how long batches took so far.
    """
    before: tuple[Batch, tuple[Column, ...]] | None = None
    for count in _MANY_ROWS:
        if times.expected_s(count) > _MANY_S:
            break
        many = spread(rows, count) if before is None else join([before[0], spread(rows, count - before[0].rows)])
        try:
            whole = await times.of(score)(many)
            found = None if before is None else find_difference(_first(whole, before[0].rows), before[1])
            if found is None and count != _MANY_ROWS[-1]:
                found = await _against_pieces(many, whole, score) or await _missing_one(many, whole, score)
        except _REFUSED:
            break  # the model need not take made-up rows
        if found is not None:
            return _result(count, found)
        tried, before = count, (many, whole)
    return RowWise(tried)


async def _against_pieces(many: Batch, whole: Sequence[Column], score: Score) -> "Difference | None":
    """Compares the batch with its chunks of each size; each size has an equal share of the time limit."""
    for size in _PIECES:
        end = time.monotonic() + _CHUNKS_S / len(_PIECES)
        for first in range(0, min(many.rows - size + 1, _MOST_PIECES * size), size):
            if time.monotonic() > end:
                break
            chunk = await score(many.slice(first, size))
            if found := find_difference(chunk, [column.slice(first, size) for column in whole]):
                return found
    return None


async def _missing_one(many: Batch, whole: Sequence[Column], score: Score) -> "Difference | None":
    """Compares the rows' scores with those beside a row with a missing column, if the model takes such a row."""
    middle = many.rows // 2
    for column in range(min(_width(many), _MOST_COLUMNS)):
        odd = _without(many.slice(0, 1), column)
        try:
            together = await score(join([many.slice(0, middle), odd, many.slice(middle, many.rows - middle)]))
        except _REFUSED:
            continue
        others = [_without_row(one, middle) for one in together]
        if found := find_difference(others, whole):
            return found
        break
    return None


def _without_row(column: Column, row: int) -> Column:
    return concatenate([column.slice(0, row), column.slice(row + 1, len(column) - row - 1)])


async def _cut(rows: Batch, size: int, score: Score) -> list[Column]:
    scored = [await score(rows.slice(first, min(size, rows.rows - first))) for first in range(0, rows.rows, size)]
    return [concatenate(list(output)) for output in zip(*scored, strict=True)]


async def _beside(other: Batch, rows: Batch, alone: Sequence[Column], score: Score) -> "Difference | None":
    """Compares the rows' scores alone with those beside another row; None also if the model refuses that row."""
    try:
        own = await score(other)
        together = await score(join([rows, other]))
    except _REFUSED:
        return None
    return find_difference(together, [concatenate([first, last]) for first, last in zip(alone, own, strict=True)])


@dataclass(frozen=True, slots=True)
class Difference:
    """An output whose scores differ between two ways of scoring the same rows.

    Attributes:
        output: the name of the output.
        by_rounding: whether the scores differ only in their last bits.
    """

    output: str
    by_rounding: bool


def find_difference(together: Sequence[Column], alone: Sequence[Column]) -> Difference | None:
    """Returns the worst difference between two lists of scores of the same rows; None if all bits are equal."""
    found: Difference | None = None
    for one, other in zip(together, alone, strict=True):
        missing = one.missing()
        equal = (missing == other.missing()) & (missing | (one.values == other.values))
        if equal.all():
            continue
        rounding = _ROUNDING_OF_FLOATS if one.type is Type.FLOAT else _ROUNDING
        close = one.type.is_floating and bool(
            np.isclose(one.values, other.values, rtol=rounding, atol=rounding * _size(one), equal_nan=True).all()
        )
        if found is None or not close:
            found = Difference(one.name, close)
    return found


def _size(column: Column) -> float:
    """Returns the largest absolute value; a score that is tiny beside it may be the rounding of a difference."""
    known = np.abs(column.values[np.isfinite(column.values)])
    return float(known.max()) if len(known) else 0.0


def _result(rows: int, found: Difference | None) -> RowWise:
    if found is None:
        return RowWise(rows)
    by_rounding = " by rounding" if found.by_rounding else ""
    refuted = f"the output '{found.output}' of a row depends{by_rounding} on the rows beside it"
    return RowWise(rows, refuted, differs=True, by_rounding=found.by_rounding)


def _first(columns: Sequence[Column], rows: int) -> list[Column]:
    return [column.slice(0, rows) for column in columns]


def _width(rows: Batch) -> int:
    return len(rows.columns) if isinstance(rows, Table) else int(rows.values.shape[1])


def _without(row: Batch, place: int) -> Batch:
    """Returns the row with the column at this place missing."""
    if not isinstance(row, Table):
        values: Array = row.values.copy()
        values[:, place] = np.nan
        return replace(row, values=values)
    columns = list(row.columns)
    columns[place] = all_missing(columns[place].name, columns[place].type, row.rows, columns[place].levels)
    return replace(row, columns=tuple(columns))


def _shifted(row: Batch) -> Batch:
    """Returns the row with other numbers: if there is one row only, this shows a model that uses the batch's mean."""
    if not isinstance(row, Table):
        return row  # a matrix may hold codes of categories, which must not be changed
    columns = (replace(one, values=one.values + 1) if one.type.is_floating else one for one in row.columns)
    return replace(row, columns=tuple(columns))
