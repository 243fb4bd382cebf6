"""A caller's rows as xgboost takes them: float32, in the booster's order, missing as NaN, text as category codes."""

from functools import lru_cache
from typing import Any

import numpy as np

from bridge.backends.xgboost_model import CATEGORICAL, ModelFacts
from bridge.columns import Array, Batch, Column, Mask, Matrix, Table, Type
from bridge.errors import BundleError, InvalidRequest
from bridge.features import Feature, column_order
from bridge.model_settings import ModelSettings

__all__ = ["Matrices", "features_of"]


def features_of(facts: ModelFacts, settings: ModelSettings) -> tuple[Feature, ...]:
    """The booster's features: numbers, with levels where they are categories, or factors where it stores strings.

    Raises:
        BundleError: `[features]` says what the booster does not.
    """
    names = facts.names or [f"f{position}" for position in range(facts.features)]
    features = tuple(_feature(name, facts.categories.get(str(position))) for position, name in enumerate(names))
    known = {feature.name: feature for feature in features}
    for declared in settings.declared_features():
        feature = known.get(declared.name)
        if feature is None:
            raise BundleError(f"model.toml: [features] names '{declared.name}', which is no feature of the booster")
        numeric = declared.type in (Type.DOUBLE, Type.INT, Type.BOOL)
        alike = (declared.levels, declared.ordered) == (feature.levels, feature.ordered)
        if numeric == (feature.type is Type.FACTOR) or not (numeric or alike):
            raise BundleError(f"model.toml: [features] says of '{declared.name}' what the booster does not")
    return features


def _feature(name: str, categories: "list[str | float] | None") -> Feature:
    categories = categories or []
    text = any(isinstance(category, str) for category in categories)
    return Feature(name, Type.FACTOR if text else Type.DOUBLE, tuple(str(category) for category in categories))


class Matrices:
    """Callers' batches as the float32 matrices of one booster: C order, shape (rows, features).

    Numbers of any type are taken; a matrix holds the codes of categories, a table's column the categories themselves.
    The number that stands for missing is left to the booster, but where it is no category.
    """

    def __init__(self, facts: ModelFacts, features: tuple[Feature, ...], missing: float) -> None:
        self._facts = facts
        self._missing = np.float32(missing)
        self._features = features
        self._names = tuple(feature.name for feature in features)
        self._codes = [position for position, kind in enumerate(facts.types) if kind == CATEGORICAL]
        # Callers send the same columns again and again, and checking them costs more than scoring a row.
        self._positions = lru_cache(maxsize=64)(self._checked_positions)

    def bind(self, batch: Batch) -> Matrix:
        """The rows as a matrix.

        Raises:
            InvalidRequest: names the column, and the row where a single value is wrong.
        """
        values = self._ordered(batch) if isinstance(batch, Matrix) else self._filled(batch)
        if np.count_nonzero(np.isinf(values)):
            row, position = (int(index) for index in np.argwhere(np.isinf(values))[0])
            name = self._names[position]
            raise InvalidRequest(f"column '{name}', row {row}: infinite, or too large for xgboost's float32")
        for position in self._codes:
            codes = np.where(values[:, position] == self._missing, np.nan, values[:, position])
            _refuse_no_code(codes, self._features[position], self._facts.categories.get(str(position)))
        return Matrix(self._names, values)

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

    def _filled(self, table: Table) -> Array:
        values = np.empty((table.rows, len(self._features)), np.float32)
        order = self._positions(tuple(column.name for column in table.columns))
        with np.errstate(over="ignore"):
            for target, (position, feature) in enumerate(zip(order, self._features, strict=True)):
                values[:, target] = self._numbers(table.columns[position], feature, target)
        return values

    def _numbers(self, column: Column, feature: Feature, position: int) -> Any:
        if column.missing().all():
            return np.nan  # of whatever type: a caller's library can't know it
        if column.type is Type.STRING:
            if feature.type is not Type.FACTOR:
                raise InvalidRequest(f"column '{column.name}' is string, the model takes numbers")
            return _codes(column, feature.levels)
        if feature.type is Type.FACTOR:
            raise InvalidRequest(f"column '{column.name}' is {column.type}, the model takes strings: it is a factor")
        values = column.values.astype(np.float32)
        categories = self._facts.categories.get(str(position))
        if categories:
            values = _coded(column, [float(category) for category in categories], self._missing)
        if column.mask is not None:
            values[column.mask] = np.nan
        return values

    def _checked_positions(self, names: tuple[str, ...]) -> list[int]:
        # No feature is left out: all of a booster's are required.
        return [position or 0 for position in column_order(names, self._features)]


def _codes(column: Column, levels: tuple[str, ...]) -> Array:
    known = {level: code for code, level in enumerate(levels)}
    codes = np.fromiter((known.get(text, -1) for text in column.values), np.float32, len(column))
    return _known_or_missing(column, codes, len(levels), column.missing())


def _coded(column: Column, categories: list[float], stands_for_missing: np.float32) -> Array:
    """Numbers that are themselves categories, as their codes."""
    known = {category: code for code, category in enumerate(categories)}
    codes = np.fromiter((known.get(float(value), -1) for value in column.values), np.float32, len(column))
    missing = column.missing() | (codes < 0) & (column.values.astype(np.float32) == stands_for_missing)
    return _known_or_missing(column, codes, len(categories), missing)


def _known_or_missing(column: Column, codes: Array, count: int, missing: Mask) -> Array:
    unknown = (codes < 0) & ~missing
    if unknown.any():
        row = int(unknown.argmax())
        raise InvalidRequest(f"column '{column.name}', row {row}: not one of its {count} levels")
    codes[missing] = np.nan
    return codes


def _refuse_no_code(values: Array, feature: Feature, categories: "list[str | float] | None") -> None:
    with np.errstate(invalid="ignore"):
        bad = (values < 0) | (values != np.rint(values)) & ~np.isnan(values)
        if categories:
            bad |= values >= len(categories)
    if bad.any():
        raise InvalidRequest(f"column '{feature.name}', row {int(bad.argmax())}: not the code of a category")
