"""Converts columns to the types of a group's features: exactly, or the row is refused."""

from dataclasses import replace

import numpy as np

from bridge.columns import DOUBLE_EXACT, INT_MAX, INT_MIN, Array, Column, Mask, Type, all_missing, says_nothing
from bridge.errors import InvalidRequest

__all__ = ["as_type", "may_become"]

_NUMBERS = (Type.DOUBLE, Type.INT, Type.INT64)


def may_become(kind: Type, wanted: Type) -> bool:
    """Whether values of a type can be those of another: the same type, or both are numbers."""
    return kind is wanted or (kind in _NUMBERS and wanted in _NUMBERS)


def as_type(column: Column, wanted: Type) -> Column:
    """Returns a column as one of a feature's type.

    A whole number is the same number in every type of numbers; a missing value stays missing.

    Raises:
        InvalidRequest: the types don't fit, or a value would be another in the wanted type; the error names column and
            row.
    """
    if says_nothing(column):
        return all_missing(column.name, wanted, len(column))
    if column.type is Type.FLOAT:
        column = Column(column.name, Type.DOUBLE, column.values.astype(np.float64))
    if not may_become(column.type, wanted):
        raise InvalidRequest(f"column '{column.name}' is {column.type} and not {wanted}", column=column.name)
    if wanted not in _NUMBERS:
        return column
    missing = column.missing()
    values = np.where(missing, 0, column.values)
    _refuse(column, _unfit(values, wanted) & ~missing, wanted)
    typed: Array = values.astype(wanted.dtype)
    if wanted is Type.DOUBLE:
        return Column(column.name, wanted, np.where(missing, np.nan, typed))
    return replace(column, type=wanted, values=typed, mask=missing if missing.any() else None)


def _unfit(values: Array, wanted: Type) -> Mask:
    if wanted is Type.DOUBLE and values.dtype.kind == "f":
        return np.zeros(len(values), np.bool_)
    # The least int is R's NA, and no number.
    least, most = (INT_MIN + 1, INT_MAX) if wanted is Type.INT else (-DOUBLE_EXACT, DOUBLE_EXACT)
    unfit: Mask = (values < least) | (values > most)
    if values.dtype.kind == "f":
        unfit |= values != np.rint(values)
    return unfit


def _refuse(column: Column, rows: Mask, wanted: Type) -> None:
    if rows.any():
        row = int(rows.argmax())
        limit = "a whole number within +-2^53" if wanted is Type.INT64 else f"a value of type {wanted}"
        limit = "a whole number within +-2^53, which a double holds exactly" if wanted is Type.DOUBLE else limit
        raise InvalidRequest(
            f"column '{column.name}', row {row}: not {limit}", limit=limit, column=column.name, row=row
        )
