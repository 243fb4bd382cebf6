"""Whether a model scores each row by itself, as its author says: tried before it serves, because it can't be proven.

A wrong word would not fail later but give other scores: only where no row depends on those beside it may a batch be cut
and calls be joined.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np

from bridge.columns import Array, Batch, Column, Table, all_missing, concatenate, join
from bridge.errors import MalformedPrediction, PredictionFailed

__all__ = ["Score", "refute"]

Score = Callable[[Batch], Awaitable[tuple[Column, ...]]]

_MOST_ROWS = 16
_MOST_COLUMNS = 16  # that are tried missing, at two calls each
_REFUSED = (PredictionFailed, MalformedPrediction)


async def refute(rows: Batch, score: Score) -> str:
    """Scores rows together and one by one, to the bit; then also beside a row in which one column is missing.

    What a model drops from a batch, or fills in from it, shifts the scores of the others.

    Args:
        rows: bound to the model's features; the first ones are tried.
        score: asks the model for rows of any number; one column an output.

    Returns:
        Why the rows depend on each other, in words; empty if nothing shows it.
    """
    rows = rows.slice(0, min(rows.rows, _MOST_ROWS))
    try:
        alone = await _one_by_one(rows, score)
        if differing := _differing(await score(rows), alone):
            return differing
    except _REFUSED:
        return "rows could not be scored one by one"
    for column in range(min(_width(rows), _MOST_COLUMNS)):
        if differing := await _beside(_without(rows.slice(0, 1), column), rows, alone, score):
            return differing
    return await _beside(_shifted(rows.slice(0, 1)), rows, alone, score)


async def _one_by_one(rows: Batch, score: Score) -> list[Column]:
    scored = [await score(rows.slice(row, 1)) for row in range(rows.rows)]
    return [concatenate(list(output)) for output in zip(*scored, strict=True)]


async def _beside(other: Batch, rows: Batch, alone: list[Column], score: Score) -> str:
    """The rows with one more behind them; nothing is said by a model that does not take that one."""
    try:
        own = await score(other)
        together = await score(join([rows, other]))
    except _REFUSED:
        return ""
    return _differing(together, [concatenate([first, last]) for first, last in zip(alone, own, strict=True)])


def _differing(together: tuple[Column, ...], alone: list[Column]) -> str:
    for one, other in zip(together, alone, strict=True):
        missing = one.missing()
        same = (missing == other.missing()) & (missing | (one.values == other.values))
        if not same.all():
            return f"the output '{one.name}' of a row depends on the rows beside it"
    return ""


def _width(rows: Batch) -> int:
    return len(rows.columns) if isinstance(rows, Table) else int(rows.values.shape[1])


def _without(row: Batch, place: int) -> Batch:
    """The row with one of its columns missing."""
    if not isinstance(row, Table):
        values: Array = row.values.copy()
        values[:, place] = np.nan
        return replace(row, values=values)
    columns = list(row.columns)
    columns[place] = all_missing(columns[place].name, columns[place].type, row.rows, columns[place].levels)
    return replace(row, columns=tuple(columns))


def _shifted(row: Batch) -> Batch:
    """The row with other numbers: where there is but one row, nothing else shows a model that looks at their mean."""
    if not isinstance(row, Table):
        return row  # codes of categories are among a matrix's numbers
    columns = (replace(one, values=one.values + 1) if one.type.is_floating else one for one in row.columns)
    return replace(row, columns=tuple(columns))
