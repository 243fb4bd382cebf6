"""Combines features of several lookups into one: history and today."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np

from bridge.columns import DOUBLE_EXACT, Array, Column, Mask, Type, all_missing
from bridge.values import value

__all__ = ["Combined", "combine"]


@value
class Combined:
    """A combined feature.

    Attributes:
        column: its values, one for each row.
        inexact: shape (rows,), true where the result is a number that a double does not hold exactly, or none at all;
            None if there is no such row.
    """

    column: Column
    inexact: Mask | None


def combine(name: str, function: str, operands: Sequence[Column], rows: int) -> Combined:
    """Returns the rows' values of a combined feature.

    Missing operands are left out, and a result is missing only where all of them are: who bought nothing today has no
    row of today. Whole numbers stay whole, and are exact up to 2^53.

    Args:
        name: the name of the feature.
        function: "sum", "min", "max", "first_known" or "last".
        operands: columns of numbers; for the last two functions also of text or truth, all of one type.
        rows: the number of rows.

    Raises:
        ValueError: the operands have types that can't be combined.
    """
    if not operands:
        return Combined(all_missing(name, Type.DOUBLE, rows), None)
    types = {column.type for column in operands}
    if types <= {Type.INT, Type.INT64, Type.DOUBLE, Type.FLOAT}:
        return _of_numbers(name, function, operands, whole=not types & {Type.DOUBLE, Type.FLOAT})
    if len(types) > 1 or function not in ("first_known", "last"):
        raise ValueError(f"{function} can't combine {' and '.join(sorted(types))}")
    values, mask = operands[0].values.copy(), operands[0].missing().copy()
    for column in operands[1:]:
        take = mask & ~column.missing() if function == "first_known" else ~column.missing()
        values[take] = column.values[take]
        mask &= column.missing()
    return Combined(Column(name, operands[0].type, values, mask if mask.any() else None), None)


def _of_numbers(name: str, function: str, operands: Sequence[Column], *, whole: bool) -> Combined:
    columns = [_numbers(column) for column in operands]
    with np.errstate(over="ignore", invalid="ignore"):
        result = reduce(_FUNCTIONS[function], columns)
    known = ~np.logical_and.reduce([np.isnan(column) for column in columns])
    inexact = known & np.isnan(result)
    if not whole:
        return Combined(Column(name, Type.DOUBLE, result), inexact if inexact.any() else None)
    inexact |= np.abs(result) > DOUBLE_EXACT
    absent = ~known | inexact
    values = np.where(absent, 0, result).astype(np.int64)
    column = Column(name, Type.INT64, values, absent if absent.any() else None)
    return Combined(column, inexact if inexact.any() else None)


def _numbers(column: Column) -> Array:
    values: Array = column.values.astype(np.float64)
    if column.mask is not None:
        values[column.mask] = np.nan
    return values


def _sum(one: Array, other: Array) -> Array:
    total: Array = np.where(np.isnan(one), other, np.where(np.isnan(other), one, one + other))
    return total


def _first(one: Array, other: Array) -> Array:
    first: Array = np.where(np.isnan(one), other, one)
    return first


def _last(one: Array, other: Array) -> Array:
    return _first(other, one)


_FUNCTIONS: Mapping[str, Callable[[Array, Array], Array]] = {
    "sum": _sum,
    "min": np.fmin,
    "max": np.fmax,
    "first_known": _first,
    "last": _last,
}
