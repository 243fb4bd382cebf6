"""Converts callers' columns to the types that R's functions and Python's take; what would lose a value is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bridge.columns import DOUBLE_EXACT, INT_MAX, INT_MIN, Array, Column, Type
from bridge.features.row_faults import RowFaults

__all__ = ["PYTHON", "Conversions", "R", "same"]

_Convert = Callable[[Column, RowFaults], Column]


@dataclass(frozen=True, slots=True, eq=False)
class Conversions:
    """What a language makes of columns.

    Attributes:
        declared: for a column's type and a feature's declared type, how the column is converted; a pair that is not
            there is refused.
        undeclared: for a column's type, how it is converted if no type is declared.
    """

    declared: Mapping[tuple[Type, Type], _Convert]
    undeclared: Mapping[Type, _Convert]


def same(column: Column, _: RowFaults) -> Column:
    """Returns the column as it is."""
    return column


def _float_to_double(column: Column, _: RowFaults) -> Column:
    return Column(column.name, Type.DOUBLE, column.values.astype(np.float64))


def _with_nan(column: Column, values: Array) -> Column:
    if column.mask is not None:
        values[column.mask] = np.nan
    return Column(column.name, Type.DOUBLE, values)


def _int_to_double(column: Column, _: RowFaults) -> Column:
    return _with_nan(column, column.values.astype(np.float64))


def _long_to_double(column: Column, faults: RowFaults) -> Column:
    limit = "+-2^53, the whole numbers that a double holds exactly"
    _refuse_outside(column, -DOUBLE_EXACT, DOUBLE_EXACT, limit, faults)
    return _int_to_double(column, faults)


def _long_to_int(column: Column, faults: RowFaults) -> Column:
    _refuse_outside(column, INT_MIN + 1, INT_MAX, "+-(2^31 - 1), the range of R's integers", faults)
    return Column(column.name, Type.INT, column.values.astype(np.int32), column.mask)


def _checked_int(column: Column, faults: RowFaults) -> Column:
    limit = "+-(2^31 - 1), the range of R's integers: -2147483648 is R's NA"
    _refuse_outside(column, INT_MIN + 1, INT_MAX, limit, faults)
    return column


def _refuse_outside(column: Column, low: int, high: int, limit: str, faults: RowFaults) -> None:
    bad = (column.values < low) | (column.values > high)
    if column.mask is not None:
        bad &= ~column.mask
    if bad.any():
        faults.refuse(column.name, bad, f"outside {limit}", limit=limit)


def _long_to_python_int(column: Column, faults: RowFaults) -> Column:
    _refuse_outside(column, INT_MIN, INT_MAX, "the range of int, -2^31 to 2^31 - 1", faults)
    return _beside_missing(Column(column.name, Type.INT, column.values.astype(np.int32), column.mask), faults)


def _int_to_long(column: Column, _: RowFaults) -> Column:
    return Column(column.name, Type.INT64, column.values.astype(np.int64), column.mask)


def _beside_missing(column: Column, faults: RowFaults) -> Column:
    """Refuses numbers that a double can't hold, if the column gets to be one of doubles, because one is missing."""
    if column.any_missing():
        limit = "+-2^53: in a column in which a number is missing, whole numbers are doubles"
        _refuse_outside(column, -DOUBLE_EXACT, DOUBLE_EXACT, limit, faults)
    return column


_BOTH: dict[tuple[Type, Type], _Convert] = {
    (Type.DOUBLE, Type.DOUBLE): same,
    (Type.FLOAT, Type.DOUBLE): _float_to_double,
    (Type.INT, Type.DOUBLE): _int_to_double,
    (Type.INT64, Type.DOUBLE): _long_to_double,
    (Type.BOOL, Type.BOOL): same,
    (Type.STRING, Type.STRING): same,
    (Type.STRING, Type.FACTOR): same,  # the levels are looked up behind this
}

# R has no 64-bit integers, and takes the least of 32 bits for its NA.
R = Conversions(
    declared={**_BOTH, (Type.INT, Type.INT): _checked_int, (Type.INT64, Type.INT): _long_to_int},
    undeclared={Type.INT64: _long_to_double, Type.FLOAT: _float_to_double, Type.INT: _checked_int},
)
PYTHON = Conversions(
    declared={
        **_BOTH,
        (Type.INT, Type.INT): same,
        (Type.INT64, Type.INT): _long_to_python_int,
        (Type.INT, Type.INT64): _int_to_long,
        (Type.INT64, Type.INT64): _beside_missing,
    },
    undeclared={Type.INT64: _beside_missing, Type.FLOAT: _float_to_double},
)
