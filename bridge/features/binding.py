"""A caller's batch, brought into the names, order and types of a model's features.

Everything that is checked here protects from silently wrong scores: R scores strings for numbers and leftover globals
for missing columns without a word, xgboost takes columns by position.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from bridge.columns import (
    DOUBLE_EXACT,
    INT_MAX,
    INT_MIN,
    Array,
    Batch,
    Column,
    Mask,
    Matrix,
    Table,
    Type,
    Unfit,
    all_missing,
)
from bridge.errors import InvalidRequest, RefusedLevel, UnfitRow, UnknownLevel
from bridge.features.feature import Feature, by_name
from bridge.features.level_codes import LevelCodes

__all__ = ["Binding", "RowFaults", "column_order"]

_NAMES_SHOWN = 5
_MOST_ALONE = 10_000  # as many rows as clients send at once: each is work of its own, for the loop that answers all


class RowFaults:
    """What is wrong with single rows of a batch, noted while it is bound.

    Args:
        alone: such a row costs its own score; else the first one refuses the batch.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._found: dict[int, Unfit] = {}

    @property
    def found(self) -> dict[int, Unfit] | None:
        """What is wrong with each of them; None where there is none."""
        return self._found or None

    def refuse(
        self, column: str, rows: Mask, problem: str, *, error: type[UnfitRow] = UnfitRow, limit: str = ""
    ) -> bool:
        """Notes rows whose value the model can't take; whether there is one, and what it now holds counts for nothing.

        Args:
            column: that the values are in.
            rows: shape (rows,), true where the value is such a one.
            problem: what is wrong with it, in words.
            error: of the rows.
            limit: that was passed, in words, if one was.

        Raises:
            InvalidRequest: there is one and it refuses the batch, or there are too many.
        """
        if not rows.any():
            return False
        unfit = Unfit(column, problem, error, limit)
        if not self._alone:
            raise InvalidRequest(str(unfit.of(int(rows.argmax()))), limit=limit)
        if np.count_nonzero(rows) <= _MOST_ALONE:
            for row in np.flatnonzero(rows).tolist():
                # A default, which a rule for levels asks for, is not for a row that has a wrong value beside.
                if row not in self._found or self._found[row].error is UnknownLevel:
                    self._found[row] = unfit
            if len(self._found) <= _MOST_ALONE:
                return True
        first = unfit.of(int(rows.argmax()))
        raise InvalidRequest(
            f"{first}; at most {_MOST_ALONE} rows of a partial call may be so", limit=f"{_MOST_ALONE} rows"
        )

    def settle(self, feature: Feature, rows: Mask) -> None:
        """Does what the feature's rule says with rows whose value is none of its levels; the caller makes them missing.

        Args:
            feature: that has the levels.
            rows: shape (rows,), true where the value is none of them.

        Raises:
            InvalidRequest: see `refuse`, if that is the rule.
        """
        if not rows.any():
            return
        if feature.unknown_level == "refuse":
            self.refuse(feature.name, rows, f"not one of its {len(feature.levels)} levels", error=RefusedLevel)
        elif feature.unknown_level == "default":
            unfit = Unfit(feature.name, "not one of its levels", UnknownLevel)
            for row in np.flatnonzero(rows).tolist():
                self._found.setdefault(row, unfit)


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
        self._codes = {feature.name: LevelCodes(feature) for feature in features if feature.type is Type.FACTOR}
        # Callers send the same columns again and again.
        self._order = lru_cache(maxsize=64)(lambda names: column_order(names, features))

    def bind(self, batch: Batch, *, alone: bool = False) -> Table:
        """The batch as the model takes it; rows with a value that it can't take refuse it, unless they do so `alone`.

        Raises:
            InvalidRequest: names the column and what is wrong with it.
        """
        features, faults = self._features, RowFaults(alone=alone)
        table = _as_table(batch, features, faults)
        order = self._order(tuple(column.name for column in table.columns))
        columns = tuple(
            _typed(table.columns[position], feature, self._codes.get(feature.name), faults)
            for position, feature in zip(order, features, strict=True)
            if position is not None
        )
        return Table(columns, table.rows, faults.found)


def _as_table(batch: Batch, features: Sequence[Feature], faults: RowFaults) -> Table:
    if isinstance(batch, Matrix):
        if not batch.names and batch.values.shape[1] != len(features):
            raise InvalidRequest(
                f"the matrix has {batch.values.shape[1]} columns and no names; the model takes {len(features)}",
                limit=f"{len(features)} columns",
            )
        table = batch.table(batch.names or [feature.name for feature in features])
        known = by_name(features)
        return replace(table, columns=tuple(_whole_numbers(column, known, faults) for column in table.columns))
    return batch


def _whole_numbers(column: Column, features: dict[str, Feature], faults: RowFaults) -> Column:
    """A matrix has one type for all its columns, so whole numbers in it may stand for a declared int."""
    if column.name not in features or features[column.name].type is not Type.INT:
        return column
    missing = column.missing()
    numbers = np.where(missing, 0.0, column.values)
    bad = (numbers != np.rint(numbers)) | (np.abs(numbers) > INT_MAX)
    if faults.refuse(column.name, bad, "not a whole number that fits int"):
        numbers[bad] = 0
    return Column(column.name, Type.INT, numbers.astype(np.int32), missing if missing.any() else None)


def _typed(column: Column, feature: Feature, codes: LevelCodes | None, faults: RowFaults) -> Column:
    if feature.type is None:
        if column.type is Type.INT64:
            return _long_to_double(column, faults)
        return _float_to_double(column, faults) if column.type is Type.FLOAT else _checked_int(column, faults)
    convert = _CONVERSIONS.get((column.type, feature.type))
    if convert is _same and codes is None:
        return column
    if convert is None and column.missing().all():
        # A caller's library can't know the type of a column that has no value, or no row.
        return all_missing(column.name, feature.type, len(column), feature.levels)
    if convert is None:
        raise InvalidRequest(f"column '{column.name}' is {column.type}, the model takes {feature.type}")
    if codes is not None:
        return _to_factor(column, feature, codes, faults)
    return convert(column, faults)


def _same(column: Column, _: RowFaults) -> Column:
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
    _refuse_outside(column, INT_MIN + 1, INT_MAX, "+-(2^31 - 1), R's integers", faults)
    return Column(column.name, Type.INT, column.values.astype(np.int32), column.mask)


def _checked_int(column: Column, faults: RowFaults) -> Column:
    if column.type is Type.INT:
        _refuse_outside(column, INT_MIN + 1, INT_MAX, "+-(2^31 - 1), R's integers: -2147483648 is its NA", faults)
    return column


def _refuse_outside(column: Column, low: int, high: int, limit: str, faults: RowFaults) -> None:
    bad = (column.values < low) | (column.values > high)
    if column.mask is not None:
        bad &= ~column.mask
    if bad.any():
        faults.refuse(column.name, bad, f"outside {limit}", limit=limit)


def _to_factor(column: Column, feature: Feature, codes: LevelCodes, faults: RowFaults) -> Column:
    found = codes.of(column.values.tolist())
    missing = column.missing()
    strange = (found < 0) & ~missing
    faults.settle(feature, strange)
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
