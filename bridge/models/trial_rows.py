"""Makes up rows to try a model with, from its features or from rows that it is known to score."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bridge.columns import Array, Batch, Column, Matrix, Table, Type, constant, take
from bridge.features.feature import Feature

__all__ = ["MADE_UP", "far_apart", "made_up", "repeated", "spread"]

_SHARES = (1.0, 0.25, 1.0, 0.0625)
MADE_UP = 3  # the number of made-up rows, which differ where the type of a feature allows it


def made_up(features: Sequence[Feature], texts: Mapping[str, Sequence[str]]) -> Table:
    """Makes up rows of a model's required features, as a caller would send them: 0, 1 and 2, or the first levels.

    Args:
        features: the model's features; a feature without a type gets numbers.
        texts: for features that are text, by name: the values that the model knows.
    """
    columns = (_column(feature, texts.get(feature.name, ())) for feature in features if feature.required)
    return Table(tuple(columns), MADE_UP)


def _column(feature: Feature, texts: Sequence[str]) -> Column:
    if feature.type in (Type.STRING, Type.FACTOR):
        known = feature.levels or texts or ("",)
        return Column(feature.name, Type.STRING, np.array([known[row % len(known)] for row in range(MADE_UP)], object))
    if feature.levels:
        levels = [int(feature.levels[row % len(feature.levels)]) for row in range(MADE_UP)]
        return Column(feature.name, Type.INT64, np.array(levels, np.int64))
    if feature.by_codes:
        return constant(feature.name, Type.INT, 0, MADE_UP)
    kind = feature.type or Type.DOUBLE
    return Column(
        feature.name, kind, np.arange(MADE_UP) % 2 == 1 if kind is Type.BOOL else np.arange(MADE_UP, dtype=kind.dtype)
    )


def repeated(rows: Batch, count: int) -> Batch:
    """Returns `count` rows: the first ones, and all from the first again where there are fewer."""
    return rows.slice(0, count) if count <= rows.rows else take(rows, np.arange(count) % rows.rows)


def far_apart(rows: Table) -> Table:
    """Returns three rows with the numbers 1, 30 and 100, because a function for one row may treat ages by ranges.

    Columns without floating point numbers keep the values of the given rows.
    """
    numbers = np.array([1.0, 30.0, 100.0])
    columns = (
        replace(column, values=numbers.astype(column.values.dtype)) if column.type.is_floating else column
        for column in (column.take(np.arange(MADE_UP) % rows.rows) for column in rows.columns)
    )
    return Table(tuple(columns), MADE_UP)


def spread(rows: Batch, count: int) -> Batch:
    """Makes up `count` rows in the ranges of the given ones: random numbers between a column's least and greatest.

    Where a column holds one number only, the range goes up to one more. Every other row is moved towards zero, because
    sums of large numbers would all give the same score. Values that are no floating point numbers, and all values of a
    matrix, which may hold codes, are drawn from the given rows.
    """
    random = np.random.default_rng(1)
    if isinstance(rows, Matrix):
        width = rows.values.shape[1]
        picked = random.integers(rows.rows, size=(count, width))
        return Matrix(rows.names, rows.values[picked, np.arange(width)])
    picked = random.integers(rows.rows, size=count)
    shares = np.resize(_SHARES, count)
    return Table(tuple(_between(column.take(picked), shares, random) for column in rows.columns), count)


def _between(column: Column, shares: Array, random: np.random.Generator) -> Column:
    if not column.type.is_floating:
        return column
    known = column.values[np.isfinite(column.values)]
    if not len(known):
        return column
    low, high = float(known.min()), float(known.max())
    high = low + 1 if high == low else high
    drawn = (random.uniform(low, high, len(column)) * shares).astype(column.values.dtype)
    return Column(column.name, column.type, np.where(np.isfinite(column.values), drawn, column.values))
