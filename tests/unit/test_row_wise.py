"""Row-wise: models whose rows depend on each other are found out, and those whose rows don't are believed."""

from collections.abc import Callable

import numpy as np
import pytest

from bridge.columns import Array, Batch, Column, Matrix, Table, Type
from bridge.errors import PredictionFailed
from bridge.row_wise import Score, refute

Rows = Callable[[Array, Array], Array]


def table(x: list[float], y: list[float]) -> Table:
    return Table((Column("x", Type.DOUBLE, np.array(x)), Column("y", Type.DOUBLE, np.array(y))), len(x))


SIX = table([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], [5.0, 3.0, 1.0, 2.0, 4.0, 6.0])
ONE = table([3.0], [4.0])


def model(function: Rows) -> Score:
    async def score(rows: Batch) -> tuple[Column, ...]:
        values = (
            [rows.values[:, 0], rows.values[:, 1]] if isinstance(rows, Matrix) else [c.values for c in rows.columns]
        )
        with np.errstate(all="ignore"):
            return (Column("out", Type.DOUBLE, np.asarray(function(*values), np.float64)),)

    return score


def drops_missing_rows(x: Array, y: Array) -> Array:
    """What na.omit and recycling make of it."""
    kept = (x + y)[~np.isnan(x + y)]
    return np.resize(kept, len(x)) if len(kept) else np.full(len(x), np.nan)


def refuses_missing(x: Array, y: Array) -> Array:
    if np.isnan(x).any() or np.isnan(y).any():
        raise PredictionFailed("missing value")
    return x + y


@pytest.mark.parametrize("rows", [SIX, ONE, Matrix((), np.arange(12.0).reshape(6, 2))])
@pytest.mark.parametrize("function", [lambda x, y: x + y, lambda x, y: np.where(np.isnan(x), y, x), refuses_missing])
async def test_rows_that_stand_alone_are_believed(rows: Batch, function: Rows) -> None:
    assert await refute(rows, model(function)) == ""


def mean(x: Array) -> float:
    """Of those that are there; missing if none is."""
    known = x[~np.isnan(x)]
    return float(known.mean()) if len(known) else np.nan


NOT_ROW_WISE: dict[str, Rows] = {
    "standardizes: missing beside a missing row, and alone": lambda x, y: (x - x.mean()) / x.std() + y,
    "centers": lambda x, y: x - mean(x) + y,
    "ranks": lambda x, y: np.argsort(np.argsort(x)) + 0 * y,
    "numbers its rows": lambda x, _: np.arange(len(x)),
    "looks whether any value of the second column is missing": lambda x, y: x + np.isnan(y).any(),
    "fills in what is missing from the others": lambda x, y: np.where(np.isnan(x), mean(x), x) + 0 * y,
    "drops rows with a missing value": drops_missing_rows,
}


@pytest.mark.parametrize("function", NOT_ROW_WISE.values(), ids=NOT_ROW_WISE)
async def test_rows_that_depend_on_each_other_are_found_out(function: Rows) -> None:
    assert await refute(SIX, model(function)) == "the output 'out' of a row depends on the rows beside it"


@pytest.mark.parametrize("name", ["centers", "numbers its rows", "drops rows with a missing value"])
async def test_one_row_is_enough_for_many_of_them(name: str) -> None:
    assert await refute(ONE, model(NOT_ROW_WISE[name])) == "the output 'out' of a row depends on the rows beside it"


async def test_rows_that_can_not_be_scored_alone_prove_nothing() -> None:
    def needs_two(x: Array, y: Array) -> Array:
        if len(x) < 2:
            raise PredictionFailed("one row")
        return x + y

    assert await refute(SIX, model(needs_two)) == "rows could not be scored one by one"
