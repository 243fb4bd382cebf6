"""Turns a caller's rows into a booster's matrix: float32, in its order, missing as NaN, categories as codes."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bridge.backends.xgboost.facts import CATEGORICAL, ModelFacts
from bridge.backends.xgboost.features import lacks_levels
from bridge.columns import Array, Batch, Column, Mask, Matrix, Table, Type
from bridge.errors import InvalidRequest
from bridge.features.binding import column_order
from bridge.features.feature import Feature
from bridge.features.level_codes import LevelCodes
from bridge.features.row_faults import RowFaults

__all__ = ["Matrices"]

_EXACT = {Type.DOUBLE: 2.0**53, Type.FLOAT: 2.0**24}  # up to here the type holds every whole number exactly
_MOST_INT64 = 2.0**63


class Matrices:
    """Turns callers' batches into the float32 matrices of one booster: C order, shape (rows, features).

    Numbers of any type are taken. In a matrix categories are codes; in a table they are the levels themselves. The
    number that stands for missing is left to the booster, except in a table's column of categories, where it becomes
    NaN unless it is a level.

    Args:
        facts: the facts of the booster.
        features: the model's features; one more than the booster's is the column of base margins.
    """

    def __init__(self, facts: ModelFacts, features: tuple[Feature, ...]) -> None:
        self._missing = facts.missing
        self._features = features
        self._names = tuple(feature.name for feature in features)
        self._codes = [position for position, kind in enumerate(facts.types) if kind == CATEGORICAL]
        self._lacking = lacks_levels(facts, features)
        self._margin = facts.features if len(features) > facts.features else None
        self._known = {position: LevelCodes(features[position]) for position in self._codes}
        # Callers send the same columns again and again, and checking them costs more than scoring a row.
        self._positions = lru_cache(maxsize=64)(self._checked_positions)

    def bind(self, batch: Batch, *, alone: bool = False) -> Matrix:
        """Returns the rows as the booster's matrix.

        Args:
            batch: the rows as the caller sent them.
            alone: whether a value that the model can't take only marks its row as unfit. If not, one such value refuses
                the whole batch.

        Raises:
            InvalidRequest: the batch does not fit; the message names the column, and the row of a wrong value.
        """
        faults = RowFaults(alone=alone)
        values = self._ordered(batch) if isinstance(batch, Matrix) else self._filled(batch, faults)
        if np.count_nonzero(np.isinf(values)):
            self._refuse_infinite(values, faults)
        if isinstance(batch, Matrix) and self._codes:
            values = self._with_known_codes(values, faults)
        elif self._codes:
            self._refuse_no_codes(values, faults)
        if self._margin is not None:
            absent = np.isnan(values[:, self._margin])
            faults.refuse(self._names[self._margin], absent, "missing, but every row needs a margin")
        return Matrix(self._names, values, faults.found)

    def _refuse_infinite(self, values: Array, faults: RowFaults) -> None:
        infinite = np.isinf(values)
        first = infinite[int(infinite.any(axis=1).argmax())].argmax()  # in the first such row: a refusal names it
        for position in (first, *np.flatnonzero(infinite.any(axis=0))):
            faults.refuse(self._names[position], infinite[:, position], "infinite, or too large for xgboost's float32")

    def _ordered(self, matrix: Matrix) -> Array:
        values = matrix.values
        if matrix.names:
            if matrix.names != self._names:
                values = values[:, self._positions(matrix.names)]
        elif values.shape[1] != len(self._names):
            raise InvalidRequest(
                f"the matrix has {values.shape[1]} columns and no names; the model takes {len(self._names)}",
                limit=f"{len(self._names)} columns",
            )
        if values.dtype == np.float32:
            return np.ascontiguousarray(values)
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values, np.float32)

    def _filled(self, table: Table, faults: RowFaults) -> Array:
        values = np.empty((table.rows, len(self._features)), np.float32)
        order = self._positions(tuple(column.name for column in table.columns))
        with np.errstate(over="ignore"):
            for target, position in enumerate(order):
                values[:, target] = self._numbers(table.columns[position], target, faults)
        return values

    def _numbers(self, column: Column, position: int, faults: RowFaults) -> Array | float:
        if column.missing().all():
            return np.nan  # whatever the type: a caller's library can't know the type of a column without values
        feature = self._features[position]
        if position in self._lacking:
            raise InvalidRequest(
                f"column '{column.name}' is a category whose levels the model file does not store: state them in "
                "model.toml's [features], or send codes in a matrix"
            )
        if feature.levels:
            return self._coded(column, position, faults)
        if column.type is Type.STRING:
            raise InvalidRequest(f"column '{column.name}' is string, the model takes numbers")
        values = column.values.astype(np.float32)
        if column.mask is not None:
            values[column.mask] = np.nan
        return values

    def _coded(self, column: Column, position: int, faults: RowFaults) -> Array:
        feature = self._features[position]
        known, missing = self._known[position], column.missing()
        if feature.type is Type.FACTOR:
            if column.type is not Type.STRING:
                raise InvalidRequest(
                    f"column '{column.name}' is {column.type}, the model takes strings: it is a factor"
                )
            entries: Sequence[object] = column.values.tolist()
        else:
            entries = _whole_numbers(column, faults).tolist()
        codes = known.of(entries).astype(np.float32)
        if feature.type is not Type.FACTOR:
            missing = missing | (codes < 0) & _equal(column.values, self._missing)
        codes[missing] = np.nan
        self._settle(codes, codes < 0, position, faults)
        return codes

    def _with_known_codes(self, values: Array, faults: RowFaults) -> Array:
        """Returns the values, or a copy in which the codes of unknown levels are handled by their feature's rule."""
        self._refuse_no_codes(values, faults)
        for position in self._codes:
            count = len(self._features[position].levels)
            codes = values[:, position]
            with np.errstate(invalid="ignore"):
                beyond = (codes >= count) & (codes != np.float32(self._missing)) if count else np.zeros(0, np.bool_)
            if beyond.any():
                values = values.copy()
                self._settle(values[:, position], beyond, position, faults)
        return values

    def _refuse_no_codes(self, values: Array, faults: RowFaults) -> None:
        for position in self._codes:
            codes = np.where(values[:, position] == np.float32(self._missing), np.nan, values[:, position])
            with np.errstate(invalid="ignore"):
                bad = (codes < 0) | (codes != np.rint(codes)) & ~np.isnan(codes)
            faults.refuse(self._names[position], bad, "not the code of a category")

    def _settle(self, codes: Array, rows: Mask, position: int, faults: RowFaults) -> None:
        """Handles rows with an unknown level by the feature's rule, and sets their codes to NaN in place."""
        if rows.any():
            faults.settle(self._features[position], rows)
            codes[rows] = np.nan

    def _checked_positions(self, names: tuple[str, ...]) -> list[int]:
        # No position is None: a booster needs all of its features.
        return [position or 0 for position in column_order(names, self._features)]


def _whole_numbers(column: Column, faults: RowFaults) -> Array:
    """Returns the values of a column to be looked up among levels that are whole numbers.

    A fraction is simply no level. A number too large for its type to hold exactly is refused.

    Raises:
        InvalidRequest: the column does not hold numbers, or a floating point number may have been rounded.
    """
    if column.type in (Type.INT, Type.INT64):
        return column.values
    exact = _EXACT.get(column.type)
    if exact is None:
        raise InvalidRequest(f"column '{column.name}' is {column.type}, the model takes whole numbers: categories")
    with np.errstate(invalid="ignore"):
        rounded = np.abs(column.values) > exact
    if rounded.any():
        limit = f"2^{int(np.log2(exact))}"
        faults.refuse(column.name, rounded, f"not held exactly by a {column.type}, send int64", limit=limit)
    return column.values


def _equal(values: Array, number: float) -> Mask:
    """Returns where the values equal the number that stands for missing, compared in the values' own type."""
    if values.dtype.kind == "i":
        is_one = abs(number) < _MOST_INT64 and number == int(number)  # false for NaN, too
        return np.asarray(values == int(number)) if is_one else np.zeros(len(values), np.bool_)
    return np.asarray(values == values.dtype.type(number))
