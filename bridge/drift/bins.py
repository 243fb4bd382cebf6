"""Bins that are made of reference rows, and into which logged rows are counted.

The last bin is that of missing values. Numbers are compared as 32-bit floats, so that a value falls into the same bin
whether a wire carried it as float, as double or as an integer.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import numpy as np

from bridge.columns import Array, Column, Type

__all__ = ["Bins", "Family", "LevelBins", "NumberBins", "family_of"]

_MOST_VALUES = 10  # with as many different numbers or fewer, each is a bin of its own
_MOST_LEVELS = 100
_PARTS = 10
_TRUTHS = {True: "true", False: "false"}


class Family(StrEnum):
    """Kinds of values that are counted alike; the name follows "the values are" in messages."""

    NUMBERS = "numbers"
    TRUTHS = "truth values"
    TEXTS = "texts"


def family_of(column_type: Type) -> Family:
    """Returns how the values of a type are counted."""
    if column_type is Type.BOOL:
        return Family.TRUTHS
    return Family.TEXTS if column_type in (Type.STRING, Type.FACTOR) else Family.NUMBERS


class Bins(Protocol):
    """Bins of one column.

    Attributes:
        against: how many rows of the reference are in each bin, shape (bins,).
    """

    @property
    def against(self) -> Array:
        """How many rows of the reference are in each bin, shape (bins,)."""

    def count(self, column: Column) -> Array:
        """Returns how many rows of a column of the same family are in each bin, shape (bins,)."""


class NumberBins:
    """Bins of numbers: the tenths of the reference, or each value by itself if there are few.

    Where more than 10 different numbers are in the reference, its deciles are the upper ends of the bins. Equal deciles
    make fewer bins. Where a tenth of the rows or more have the least or the greatest value of all, numbers beyond it
    have a bin of their own. Up to 10 different numbers are a bin each, and there is one for all others.

    Args:
        numbers: the numbers in the reference, without NaN, shape (numbers,); one may be there more than once.
        weights: how many rows of the reference have each of them, shape (numbers,).
        missing: how many rows of the reference are missing.
    """

    def __init__(self, numbers: Array, weights: Array, missing: int) -> None:
        values, weights = _sorted(numbers, weights)
        self._single = len(values) <= _MOST_VALUES
        self._edges = values if self._single else _deciles(values, weights)
        self._against = self._counted(values, weights, missing)

    @property
    def against(self) -> Array:
        """How many rows of the reference are in each bin, shape (bins,)."""
        return self._against

    def count(self, column: Column) -> Array:
        """Returns how many numbers of a column are in each bin, shape (bins,)."""
        absent = column.missing()
        with np.errstate(over="ignore"):
            values = column.values[~absent].astype(np.float32)
        return self._counted(values, np.ones(len(values), np.int64), int(absent.sum()))

    def _counted(self, values: Array, weights: Array, missing: int) -> Array:
        place = np.searchsorted(self._edges, values, side="left")
        bins = len(self._edges) + 1
        if self._single and len(self._edges):
            known = self._edges[np.minimum(place, bins - 2)] == values
            place = np.where(known, place, bins - 1)
        found = np.bincount(place, weights, minlength=bins).astype(np.int64)
        return np.append(found, missing)


def _sorted(numbers: Array, weights: Array) -> tuple[Array, Array]:
    with np.errstate(over="ignore"):
        values, places = np.unique(numbers.astype(np.float32), return_inverse=True)
    return values, np.bincount(places, weights, minlength=len(values)).astype(np.int64)


def _deciles(values: Array, weights: Array) -> Array:
    """Returns the upper ends of all bins but the last, ascending."""
    reached, total = np.cumsum(weights) * _PARTS, int(weights.sum())
    edges = values[np.searchsorted(reached, np.arange(1, _PARTS) * total, side="left")]
    if edges[0] == values[0]:
        edges = np.append(np.nextafter(values[0], np.float32(-np.inf)), edges)
    return np.unique(edges)


class LevelBins:
    """Bins of texts or truth values: one for each level of the reference, and one for all others.

    Of more than 100 levels, the 100 most frequent have a bin of their own.

    Args:
        counts: how often each level is in the reference; truth values are "true" and "false".
        missing: how many rows of the reference are missing.
    """

    def __init__(self, counts: Mapping[str, int], missing: int) -> None:
        kept = sorted(counts, key=lambda level: (-counts[level], level))[:_MOST_LEVELS]
        self._places = {level: place for place, level in enumerate(kept)}
        self._against = self._counted(counts, missing)

    @property
    def against(self) -> Array:
        """How many rows of the reference are in each bin, shape (bins,)."""
        return self._against

    def count(self, column: Column) -> Array:
        """Returns how many values of a column are in each bin, shape (bins,)."""
        absent = column.missing()
        found = Counter(column.values[~absent].tolist())
        if column.type is Type.BOOL:
            return self._counted({_TRUTHS[value]: count for value, count in found.items()}, int(absent.sum()))
        return self._counted(found, int(absent.sum()))

    def _counted(self, counts: Mapping[str, int], missing: int) -> Array:
        others = len(self._places)
        found = np.zeros(others + 2, np.int64)
        for level, count in counts.items():
            found[self._places.get(level, others)] += count
        found[-1] = missing
        return found
