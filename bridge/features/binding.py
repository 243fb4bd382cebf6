"""Binds a caller's batch to the names, order and types of a model's features.

Each check here protects from scores that are wrong without an error: R silently takes strings for numbers, and global
variables in the place of missing columns; xgboost takes columns by position.
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
_MOST_ALONE = 10_000  # the rows that clients send at once; each such row is work of its own on the event loop


class RowFaults:
    """Collects the rows of a batch that the model can't take, while the batch is bound.

    Args:
        alone: whether such a row only loses its own score; else the first one refuses the batch.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._found: dict[int, Unfit] = {}

    @property
    def found(self) -> dict[int, Unfit] | None:
        """For each unfit row, by number, what is wrong with it; None if there is no such row."""
        return self._found or None

    def refuse(
        self, column: str, rows: Mask, problem: str, *, error: type[UnfitRow] = UnfitRow, limit: str = ""
    ) -> bool:
        """Notes rows whose value the model can't take, and returns whether there are any.

        These rows are not scored, so the caller may put any value into them.

        Args:
            column: the name of the column.
            rows: shape (rows,), true where the model can't take the value.
            problem: what is wrong with the values, in words.
            error: the class of the rows' errors.
            limit: the limit that was passed, in words; empty if none was.

        Raises:
            InvalidRequest: there are such rows and they refuse the batch, or more than 10,000 rows are unfit.
        """
        if not rows.any():
            return False
        unfit = Unfit(column, problem, error, limit)
        if not self._alone:
            raise unfit.of(int(rows.argmax()))
        if np.count_nonzero(rows) <= _MOST_ALONE:
            for row in np.flatnonzero(rows).tolist():
                # A row with an unknown level may get a default score, but not if it also has a wrong value.
                if row not in self._found or self._found[row].error is UnknownLevel:
                    self._found[row] = unfit
            if len(self._found) <= _MOST_ALONE:
                return True
        row = int(rows.argmax())
        said = f"{unfit.of(row)}; a partial call may have at most {_MOST_ALONE} such rows"
        raise InvalidRequest(said, limit=f"{_MOST_ALONE} rows", column=column, row=row)

    def settle(self, feature: Feature, rows: Mask) -> None:
        """Applies a feature's `unknown_level` rule to rows with an unknown level.

        The caller of this method then makes these values missing.

        Args:
            feature: the feature, which has levels.
            rows: shape (rows,), true where the value is none of the levels.

        Raises:
            InvalidRequest: the rule is "refuse" and `refuse` raises.
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
    """Returns for each feature the position of its column among the caller's; None for an optional one left out.

    Raises:
        InvalidRequest: a column is there twice or is not a feature, or a required feature is missing.
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
    """Brings callers' batches into a model's order and types; optional features that a caller left out stay out."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        self._codes = {feature.name: LevelCodes(feature) for feature in features if feature.type is Type.FACTOR}
        # Callers send the same columns again and again.
        self._order = lru_cache(maxsize=64)(lambda names: column_order(names, features))

    def bind(self, batch: Batch, *, alone: bool = False) -> Table:
        """Returns a batch as the model takes it.

        Args:
            batch: the caller's batch.
            alone: whether rows with a value that the model can't take only lose their own score; else the first such
                row refuses the batch.

        Raises:
            InvalidRequest: the model can't take the batch; the message names the column and what is wrong with it.
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
    """Returns a matrix column as int where the feature is declared int: a matrix has one type for all its columns."""
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
        # A caller's library can't know the type of a column without values or without rows.
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
    _refuse_outside(column, INT_MIN + 1, INT_MAX, "+-(2^31 - 1), the range of R's integers", faults)
    return Column(column.name, Type.INT, column.values.astype(np.int32), column.mask)


def _checked_int(column: Column, faults: RowFaults) -> Column:
    if column.type is Type.INT:
        limit = "+-(2^31 - 1), the range of R's integers: -2147483648 is R's NA"
        _refuse_outside(column, INT_MIN + 1, INT_MAX, limit, faults)
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
    (Type.STRING, Type.FACTOR): _same,  # `_to_factor` converts by the levels
}
