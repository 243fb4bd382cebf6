"""What a model takes: its features, and a caller's batch brought into their names, order and types.

Everything that is checked here protects from silently wrong scores: R scores strings for numbers and leftover globals
for missing columns without a word, xgboost takes columns by position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from bridge.columns import Array, Batch, Column, Mask, Matrix, Table, Type, all_missing
from bridge.errors import InvalidRequest

__all__ = ["Binding", "Feature", "UnknownLevelRule", "by_name", "column_order", "settle_unknown"]

# What a value that is none of the levels does: refuses the call, is missing, or costs its row the default score.
UnknownLevelRule = Literal["refuse", "missing", "default"]

_INT_MIN = -(2**31)
_INT_MAX = 2**31 - 1
_DOUBLE_EXACT = 2**53
_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of a model.

    Attributes:
        name: exact, including case and blanks.
        type: double, int, int64, bool, string or factor; None if nobody declared it and the caller's own type is
            passed on.
        levels: of a factor, or of whole numbers that are categories, in the model's order.
        required: the model has no default for it.
        ordered: of a factor, its levels have a rank: R compares and contrasts those.
        by_codes: a category that callers send as its code, because its author says so.
        unknown_level: what a value that is none of the levels does.
    """

    name: str
    type: Type | None = None
    levels: tuple[str, ...] = ()
    required: bool = True
    ordered: bool = False
    by_codes: bool = False
    unknown_level: UnknownLevelRule = "refuse"


def by_name(features: Sequence[Feature]) -> dict[str, Feature]:
    """Features by their names."""
    return {feature.name: feature for feature in features}


def _counted(names: Sequence[str]) -> str:
    noun = "column" if len(names) == 1 else "columns"
    shown = ", ".join(f"'{name}'" for name in names[:_NAMES_SHOWN])
    return f"{noun} {shown}" if len(names) <= _NAMES_SHOWN else f"{noun} {shown} and {len(names) - _NAMES_SHOWN} more"


def column_order(names: Sequence[str], features: Sequence[Feature]) -> list[int | None]:
    """For each feature, where the caller's columns hold it; None for one that is optional and was left out.

    Raises:
        InvalidRequest: a column is there twice, is not a feature, or a required one is missing.
    """
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        if positions.setdefault(name, position) != position:
            raise InvalidRequest(f"column '{name}' is there twice")
    known = by_name(features)
    unknown = [name for name in names if name not in known]
    absent = [feature.name for feature in features if feature.required and feature.name not in positions]
    complaints = [f"missing {_counted(absent)}"] if absent else []
    complaints += [f"the model does not know {_counted(unknown)}"] if unknown else []
    if complaints:
        raise InvalidRequest("; ".join(complaints))
    return [positions.get(feature.name) for feature in features]


class Binding:
    """Callers' batches as columns in a model's order and types; optional features that were left out stay out."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        # Callers send the same columns again and again.
        self._order = lru_cache(maxsize=64)(lambda names: column_order(names, features))

    def bind(self, batch: Batch) -> Table:
        """The batch as the model takes it.

        Raises:
            InvalidRequest: names the column and what is wrong with it.
        """
        features = self._features
        table = _as_table(batch, features)
        order = self._order(tuple(column.name for column in table.columns))
        unknown: dict[int, str] = {}
        columns = tuple(
            _typed(table.columns[position], feature, unknown)
            for position, feature in zip(order, features, strict=True)
            if position is not None
        )
        return Table(columns, table.rows, unknown or None)


def _as_table(batch: Batch, features: Sequence[Feature]) -> Table:
    if isinstance(batch, Matrix):
        if not batch.names and batch.values.shape[1] != len(features):
            raise InvalidRequest(
                f"the matrix has {batch.values.shape[1]} columns and no names; the model takes {len(features)}",
                limit=f"{len(features)} columns",
            )
        table = batch.table(batch.names or [feature.name for feature in features])
        known = by_name(features)
        return replace(table, columns=tuple(_whole_numbers(column, known) for column in table.columns))
    return batch


def _whole_numbers(column: Column, features: dict[str, Feature]) -> Column:
    """A matrix has one type for all its columns, so whole numbers in it may stand for a declared int."""
    if column.name not in features or features[column.name].type is not Type.INT:
        return column
    missing = column.missing()
    numbers = np.where(missing, 0.0, column.values)
    bad = (numbers != np.rint(numbers)) | (np.abs(numbers) > _INT_MAX)
    if bad.any():
        raise InvalidRequest(f"column '{column.name}', row {int(bad.argmax())}: not a whole number that fits int")
    return Column(column.name, Type.INT, numbers.astype(np.int32), missing if missing.any() else None)


def _typed(column: Column, feature: Feature, unknown: dict[int, str]) -> Column:
    if feature.type is None:
        if column.type is Type.INT64:
            return _long_to_double(column)
        return _float_to_double(column) if column.type is Type.FLOAT else _checked_int(column)
    convert = _CONVERSIONS.get((column.type, feature.type))
    if convert is _same and feature.type is not Type.FACTOR:
        return column
    if convert is None and column.missing().all():
        # A caller's library can't know the type of a column that has no value, or no row.
        return all_missing(column.name, feature.type, len(column), feature.levels)
    if convert is None:
        raise InvalidRequest(f"column '{column.name}' is {column.type}, the model takes {feature.type}")
    if feature.type is Type.FACTOR:
        return _to_factor(column, feature, unknown)
    return convert(column)


def _same(column: Column) -> Column:
    return column


def _float_to_double(column: Column) -> Column:
    return Column(column.name, Type.DOUBLE, column.values.astype(np.float64))


def _with_nan(column: Column, values: Array) -> Column:
    if column.mask is not None:
        values[column.mask] = np.nan
    return Column(column.name, Type.DOUBLE, values)


def _int_to_double(column: Column) -> Column:
    return _with_nan(column, column.values.astype(np.float64))


def _long_to_double(column: Column) -> Column:
    _refuse_outside(column, -_DOUBLE_EXACT, _DOUBLE_EXACT, "+-2^53, the whole numbers that a double holds exactly")
    return _int_to_double(column)


def _long_to_int(column: Column) -> Column:
    _refuse_outside(column, _INT_MIN + 1, _INT_MAX, "+-(2^31 - 1), R's integers")
    return Column(column.name, Type.INT, column.values.astype(np.int32), column.mask)


def _checked_int(column: Column) -> Column:
    if column.type is Type.INT:
        _refuse_outside(column, _INT_MIN + 1, _INT_MAX, "+-(2^31 - 1), R's integers: -2147483648 is its NA")
    return column


def _refuse_outside(column: Column, low: int, high: int, limit: str) -> None:
    bad = (column.values < low) | (column.values > high)
    if column.mask is not None:
        bad &= ~column.mask
    if bad.any():
        raise InvalidRequest(f"column '{column.name}', row {int(bad.argmax())}: outside {limit}", limit=limit)


def settle_unknown(feature: Feature, rows: Mask, unknown: dict[int, str]) -> None:
    """Does what the feature's rule says with rows whose value is none of its levels; the caller makes them missing.

    Args:
        feature: that has the levels.
        rows: shape (rows,), true where the value is none of them.
        unknown: takes the numbers of rows that the rule answers with the default, each with the feature's name.

    Raises:
        InvalidRequest: the rule is "refuse", and there is one.
    """
    if feature.unknown_level == "refuse" and rows.any():
        row, count = int(rows.argmax()), len(feature.levels)
        raise InvalidRequest(f"column '{feature.name}', row {row}: not one of its {count} levels")
    if feature.unknown_level == "default":
        for row in np.flatnonzero(rows).tolist():
            unknown.setdefault(row, feature.name)


def _to_factor(column: Column, feature: Feature, unknown: dict[int, str]) -> Column:
    codes = {level: code for code, level in enumerate(feature.levels)}
    found = np.fromiter((codes.get(value, -1) for value in column.values), np.int32, len(column))
    missing = column.missing()
    strange = (found < 0) & ~missing
    settle_unknown(feature, strange, unknown)
    mask = missing | strange
    found[mask] = 0
    return Column(column.name, Type.FACTOR, found, mask if mask.any() else None, feature.levels)


_CONVERSIONS = {
    (Type.DOUBLE, Type.DOUBLE): _same,
    (Type.FLOAT, Type.DOUBLE): _float_to_double,
    (Type.INT, Type.DOUBLE): _int_to_double,
    (Type.INT64, Type.DOUBLE): _long_to_double,
    (Type.INT, Type.INT): _checked_int,
    (Type.INT64, Type.INT): _long_to_int,
    (Type.BOOL, Type.BOOL): _same,
    (Type.STRING, Type.STRING): _same,
    (Type.STRING, Type.FACTOR): _same,  # the levels do the work
}
