"""Row-wise: models whose rows depend on each other are found out, and those whose rows don't are believed."""

from collections.abc import Callable

import numpy as np
import pytest

from bridge.columns import Array, Batch, Column, Matrix, Table, Type
from bridge.errors import PredictionFailed
from bridge.models.row_wise import Score, try_row_wise

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
    tried = await try_row_wise(rows, model(function))
    assert (tried.refuted, tried.rows) == ("", 3000)


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
    tried = await try_row_wise(SIX, model(function))
    assert tried.differs
    assert not tried.by_rounding
    assert tried.refuted == "the output 'out' of a row depends on the rows beside it"


@pytest.mark.parametrize("name", ["centers", "numbers its rows", "drops rows with a missing value"])
async def test_one_row_is_enough_for_many_of_them(name: str) -> None:
    tried = await try_row_wise(ONE, model(NOT_ROW_WISE[name]))
    assert tried.refuted == "the output 'out' of a row depends on the rows beside it"


async def test_rows_that_can_not_be_scored_alone_prove_nothing() -> None:
    def needs_two(x: Array, y: Array) -> Array:
        if len(x) < 2:
            raise PredictionFailed("one row")
        return x + y

    tried = await try_row_wise(SIX, model(needs_two))
    assert tried.refuted == "rows could not be scored one by one"
    assert not tried.differs


BY_ROUNDING: dict[str, Rows] = {
    "the last bits of rows that are left over of blocks of four": lambda x, y: np.where(
        np.arange(len(x)) < len(x) // 4 * 4, x + y, (x + y) * (1 + 2**-50)
    ),
    "the last bits of all rows beside one that lacks a value": lambda x, y: (
        (x + y) * (1 + 2**-50) if np.isnan(y).any() and len(x) > 1 else x + y
    ),
}


@pytest.mark.parametrize("function", BY_ROUNDING.values(), ids=BY_ROUNDING)
async def test_rounding_is_told_from_other_scores(function: Rows) -> None:
    tried = await try_row_wise(SIX, model(function))
    assert tried.refuted == "the output 'out' of a row depends by rounding on the rows beside it"
    assert tried.by_rounding


@pytest.mark.parametrize("beyond", [300, 1500])
async def test_what_changes_only_with_many_rows_is_found_out(beyond: int) -> None:
    """As mgcv's discrete methods do."""

    def discrete(x: Array, y: Array) -> Array:
        return np.round(x, 1) + y if len(x) > beyond else x + y

    tried = await try_row_wise(SIX, model(discrete))
    assert tried.refuted == "the output 'out' of a row depends on the rows beside it"
    assert tried.rows == (1000 if beyond < 1000 else 3000)


async def test_a_slow_model_is_tried_by_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("bridge.models.row_wise.time.monotonic", lambda: float(next(clock)))
    tried = await try_row_wise(SIX, model(lambda x, y: x + y))
    assert (tried.refuted, tried.rows) == ("", 6)


async def test_rows_that_are_made_up_need_not_be_taken() -> None:
    def takes_known_rows(x: Array, y: Array) -> Array:
        if not np.isin(x[~np.isnan(x)], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]).all():
            raise PredictionFailed("not a row of mine")
        return x + y

    tried = await try_row_wise(SIX, model(takes_known_rows))
    assert (tried.refuted, tried.rows) == ("", 6)
