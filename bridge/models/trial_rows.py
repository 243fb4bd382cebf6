"""Rows to try a model with: made up from what is known of its features, or from rows that it is known to score."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bridge.columns import Array, Batch, Column, Matrix, Table, Type, constant, take
from bridge.features.feature import Feature

__all__ = ["MADE_UP", "far_apart", "made_up", "repeated", "spread"]

_SHARES = (1.0, 0.25, 1.0, 0.0625)
MADE_UP = 3  # rows, which differ where their features can


def made_up(features: Sequence[Feature], texts: Mapping[str, Sequence[str]]) -> Table:
    """Rows of a model's required features, as a caller would send them: 0, 1 and 2, or its first levels.

    Args:
        features: those without a type get numbers.
        texts: of features that are text, the values that the model knows.
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
    """The first `count` of the rows, from the first one on again where there are fewer."""
    return rows.slice(0, count) if count <= rows.rows else take(rows, np.arange(count) % rows.rows)


def far_apart(rows: Table) -> Table:
    """As many rows as are made up, whose numbers are 1, 30 and 100: a function for one row may treat ages by ranges."""
    numbers = np.array([1.0, 30.0, 100.0])
    columns = (
        replace(column, values=numbers.astype(column.values.dtype)) if column.type.is_floating else column
        for column in (column.take(np.arange(MADE_UP) % rows.rows) for column in rows.columns)
    )
    return Table(tuple(columns), MADE_UP)


def spread(rows: Batch, count: int) -> Batch:
    """So many rows in the ranges of the given ones: numbers between the least and the greatest, other values mixed.

    Where a column holds one number alone, up to one more than that. Every other row is moved towards zero, because sums
    of large numbers end in the same score. Codes and levels are never made up, and a matrix may hold codes: its values
    are mixed alone.
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
