"""A caller's rows as xgboost takes them: float32, in the booster's order, missing as NaN, text as category codes."""

from typing import Any

import numpy as np

from bridge.backends.xgboost_model import CATEGORICAL, ModelFacts
from bridge.columns import Array, Batch, Column, Matrix, Type
from bridge.errors import BundleError, InvalidRequest
from bridge.features import Feature, column_order
from bridge.model_settings import ModelSettings

__all__ = ["features_of", "to_matrix"]


def features_of(facts: ModelFacts, settings: ModelSettings) -> tuple[Feature, ...]:
    """The booster's features: numbers, or factors where it stores the strings of their categories.

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
        if numeric == (feature.type is Type.FACTOR) or (not numeric and declared.levels != feature.levels):
            raise BundleError(f"model.toml: [features] says of '{declared.name}' what the booster does not")
    return features


def _feature(name: str, categories: "list[str | float] | None") -> Feature:
    if categories and isinstance(categories[0], str):
        return Feature(name, Type.FACTOR, tuple(str(category) for category in categories))
    return Feature(name, Type.DOUBLE)


def to_matrix(batch: Batch, facts: ModelFacts, features: tuple[Feature, ...]) -> Matrix:
    """The rows as a float32 matrix in C order, shape (rows, features).

    Numbers of any type are taken; a matrix holds the codes of categories, a table's column their strings.

    Raises:
        InvalidRequest: names the column, and the row where a single value is wrong.
    """
    names = tuple(feature.name for feature in features)
    if isinstance(batch, Matrix):
        values = _ordered(batch, features)
        _refuse_infinite(values, names)
    else:
        values = np.empty((batch.rows, len(features)), np.float32)
        order = column_order([column.name for column in batch.columns], features)
        with np.errstate(over="ignore"):
            for target, (position, feature) in enumerate(zip(order, features, strict=True)):
                # column_order leaves no required feature out, and all of a booster's are.
                values[:, target] = _numbers(batch.columns[position or 0], feature, facts, target)
        _refuse_infinite(values, names)
    for position, kind in enumerate(facts.types):
        if kind == CATEGORICAL:
            _refuse_no_code(values[:, position], features[position], facts.categories.get(str(position)))
    return Matrix(names, values)


def _ordered(matrix: Matrix, features: tuple[Feature, ...]) -> Array:
    values = matrix.values
    if matrix.names:
        order = column_order(matrix.names, features)
        if order != list(range(len(features))):
            values = values[:, [position or 0 for position in order]]
    elif values.shape[1] != len(features):
        raise InvalidRequest(
            f"the matrix has {values.shape[1]} columns and no names; the model takes {len(features)}",
            limit=f"{len(features)} columns",
        )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


def _numbers(column: Column, feature: Feature, facts: ModelFacts, position: int) -> Any:
    if column.missing().all():
        return np.nan  # of whatever type: a caller's library can't know it
    if column.type is Type.STRING:
        if feature.type is not Type.FACTOR:
            raise InvalidRequest(f"column '{column.name}' is string, the model takes numbers")
        return _codes(column, feature.levels)
    if feature.type is Type.FACTOR:
        raise InvalidRequest(f"column '{column.name}' is {column.type}, the model takes strings: it is a factor")
    values = column.values.astype(np.float32)
    categories = facts.categories.get(str(position))
    if categories:
        values = _coded(column, [float(category) for category in categories])
    if column.mask is not None:
        values[column.mask] = np.nan
    return values


def _codes(column: Column, levels: tuple[str, ...]) -> Array:
    known = {level: code for code, level in enumerate(levels)}
    codes = np.fromiter((known.get(text, -1) for text in column.values), np.float32, len(column))
    return _known_or_missing(column, codes, len(levels))


def _coded(column: Column, categories: list[float]) -> Array:
    """Numbers that are themselves categories, as their codes."""
    known = {category: code for code, category in enumerate(categories)}
    codes = np.fromiter((known.get(float(value), -1) for value in column.values), np.float32, len(column))
    return _known_or_missing(column, codes, len(categories))


def _known_or_missing(column: Column, codes: Array, count: int) -> Array:
    missing = column.missing()
    unknown = (codes < 0) & ~missing
    if unknown.any():
        row = int(unknown.argmax())
        raise InvalidRequest(f"column '{column.name}', row {row}: not one of its {count} levels")
    codes[missing] = np.nan
    return codes


def _refuse_infinite(values: Array, names: tuple[str, ...]) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        row, position = (int(index) for index in np.argwhere(infinite)[0])
        raise InvalidRequest(f"column '{names[position]}', row {row}: infinite, or too large for xgboost's float32")


def _refuse_no_code(values: Array, feature: Feature, categories: "list[str | float] | None") -> None:
    with np.errstate(invalid="ignore"):
        bad = (values < 0) | (values != np.rint(values)) & ~np.isnan(values)
        if categories:
            bad |= values >= len(categories)
    if bad.any():
        raise InvalidRequest(f"column '{feature.name}', row {int(bad.argmax())}: not the code of a category")
