"""Finds logged rows that can't be given to a Python function as model.toml declares its features."""

from collections.abc import Sequence

import numpy as np

from bridge.columns import DOUBLE_EXACT, INT_MAX, INT_MIN, Batch, Column, Matrix, Type
from bridge.features.feature import Feature, by_name

__all__ = ["why_unfit"]

_WHOLE = (Type.INT, Type.INT64)
# The types that a column may have been sent with, by the declared type.
_TAKEN = {
    Type.DOUBLE: (Type.DOUBLE, Type.FLOAT, *_WHOLE),
    Type.INT: _WHOLE,
    Type.INT64: _WHOLE,
    Type.BOOL: (Type.BOOL,),
    Type.STRING: (Type.STRING,),
    Type.FACTOR: (Type.STRING,),
}


def why_unfit(batch: Batch, features: Sequence[Feature]) -> str:
    """Returns why the function can't be given the rows unchanged, naming the column; empty if it can.

    Serving refuses such rows, so none of them has a logged score of the model. The numbers of a matrix, whose columns
    may have no names here, are looked at where the function's own names are known: see `rescoring`.

    Args:
        batch: the rows as they were sent.
        features: the features that model.toml declares.
    """
    if isinstance(batch, Matrix):
        return ""
    declared = by_name(features)
    names = [column.name for column in batch.columns]
    if len(set(names)) != len(names):
        return "the call has a column twice"
    found = (_why_not(column, declared.get(column.name)) for column in batch.columns)
    return next((why for why in found if why), "")


def _why_not(column: Column, feature: Feature | None) -> str:
    kind = None if feature is None else feature.type
    if kind is not None and column.missing().all():
        return ""
    if kind is not None and column.type not in _TAKEN[kind]:
        return f"the column '{column.name}' does not fit the type that model.toml declares"
    if column.type in _WHOLE and _beyond(column, kind):
        return f"the column '{column.name}' has a whole number that the function can't be given exactly"
    if feature is not None and kind is Type.FACTOR and feature.unknown_level != "missing":
        strange = ~np.isin(column.values.astype(str), feature.levels)
        if np.any(strange & ~column.missing()):
            return f"the column '{column.name}' has a value that is none of its levels"
    return ""


def _beyond(column: Column, kind: Type | None) -> bool:
    """Whether a number is outside the declared type, or outside what a double holds where it has to be one."""
    low, high = INT_MIN, INT_MAX
    if kind is not Type.INT:
        if kind is not Type.DOUBLE and not column.any_missing():
            return False
        low, high = -DOUBLE_EXACT, DOUBLE_EXACT
    beyond = (column.values < low) | (column.values > high)
    return bool(np.any(beyond & ~column.missing()))
