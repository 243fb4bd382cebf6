"""Makes trial rows from a model's trees: with every threshold and its neighbours, every code, and special floats."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bridge.columns import Array

__all__ = ["Splits", "splits_of", "trial_rows"]

_RANDOM_ROWS = 4096
_MOST_CELLS = 1 << 21  # of one block of rows, which is 8 MiB of float32
_MOST_CELLS_OF_ALL = 1 << 26
_MOST_WALKS = 1 << 28  # rows times trees; this many take seconds
_MISSING_SHARE = 0.15
_MORE_CODES = 2  # codes beyond those that the trees or the categories know, which are tried too
_MOST_CODES = 1 << 20  # a bound, because a damaged file may name any number as a category


class Splits(NamedTuple):
    """The values at which a model's trees decide, by feature.

    Attributes:
        values: for a number, its thresholds and the next floats below and above each; for a category, its codes.
        categorical: which features are categories.
        codes: for each category, the number of codes that the file or its trees know; -1 for a number.
        rows: the number of trial rows that are made to show the values of every feature.
        complete: whether these rows show all values; if not, all would take minutes.
    """

    values: list[Array]
    categorical: list[bool]
    codes: list[int]
    rows: int
    complete: bool


def splits_of(trees: Sequence[dict[str, Any]], features: int, codes: Sequence[int]) -> Splits:
    """Returns the values at which the trees of a model decide.

    Args:
        trees: the trees in the model's document.
        features: the number of features.
        codes: for each feature, the number of categories that the file knows; -1 for a number.
    """
    thresholds: list[list[Array]] = [[] for _ in range(features)]
    most = list(codes)
    for tree in trees:
        inner = np.asarray(tree["left_children"]) >= 0
        indices = np.asarray(tree["split_indices"], np.int64)[inner]
        conditions = np.asarray(tree["split_conditions"], np.float32)[inner]
        for position in np.unique(indices):
            thresholds[position].append(conditions[indices == position])
        _raise_to_codes(most, tree)
    categorical = [count >= 0 for count in codes]
    values = [
        _codes(most[position]) if categorical[position] else _neighbours(parts)
        for position, parts in enumerate(thresholds)
    ]
    needed = max((len(one) for one in values), default=0)
    rows = min(needed, _MOST_CELLS_OF_ALL // max(features, 1), _MOST_WALKS // max(len(trees), 1))
    known = [count if is_one else -1 for count, is_one in zip(most, categorical, strict=True)]
    return Splits(values, categorical, known, rows, complete=rows == needed and max(known, default=0) <= _MOST_CODES)


def _raise_to_codes(most: list[int], tree: dict[str, Any]) -> None:
    """Raises the numbers of codes to cover every category by which a tree splits, stored in the file or not."""
    split = np.asarray(tree["split_indices"], np.int64)
    categories = np.asarray(tree.get("categories", ()), np.int64)
    segments, sizes = tree.get("categories_segments", ()), tree.get("categories_sizes", ())
    for node, first, size in zip(tree.get("categories_nodes", ()), segments, sizes, strict=False):
        if size:
            position = int(split[node])
            most[position] = max(most[position], int(categories[first : first + size].max()) + 1)


def _codes(count: int) -> Array:
    codes: Array = np.arange(min(count, _MOST_CODES) + _MORE_CODES, dtype=np.float32)
    return codes


def _neighbours(parts: list[Array]) -> Array:
    unique = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.float32)
    below, above = np.nextafter(unique, np.float32(-np.inf)), np.nextafter(unique, np.float32(np.inf))
    spread: Array = np.concatenate([below, unique, above]).astype(np.float32)
    finite: Array = spread[np.isfinite(spread)]
    return finite


def trial_rows(splits: Splits, missing: float = np.nan) -> Iterator[Array]:
    """Yields blocks of float32 rows, shape (rows, features), of 8 MiB at most: random rows, then rows of the splits.

    Random rows hold special floats too: NaN, both zeros, the smallest and the largest numbers.

    Args:
        splits: the values at which the model's trees decide.
        missing: the number that stands for missing, beside NaN.
    """
    features = len(splits.values)
    absent = np.array([np.nan, missing], np.float32)
    chance = np.random.default_rng(1)
    scales = 10.0 ** chance.integers(-6, 7, features)
    block = max(1, _MOST_CELLS // max(features, 1))
    for first in range(0, _RANDOM_ROWS, block):
        yield _with_missing(_random(splits, chance, scales, min(block, _RANDOM_ROWS - first)), chance, absent)
    for first in range(0, splits.rows, block):
        rows = _deciding(splits, chance, first, min(block, splits.rows - first))
        yield rows
        yield _with_missing(rows.copy(), chance, absent)


def _random(splits: Splits, chance: np.random.Generator, scales: Array, count: int) -> Array:
    rows = chance.standard_normal((count, len(scales)), np.float32)
    rows *= scales.astype(np.float32)
    tiny, most = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    special = np.array([np.nan, 0.0, -0.0, tiny, -tiny, most, -most, 1.0], np.float32)
    where = chance.random(rows.shape, np.float32) < _MISSING_SHARE
    rows[where] = chance.choice(special, int(where.sum()))
    for position, categorical in enumerate(splits.categorical):
        if categorical:
            rows[:, position] = chance.choice(splits.values[position], count)
    return rows


def _deciding(splits: Splits, chance: np.random.Generator, first: int, count: int) -> Array:
    rows = np.full((count, len(splits.values)), np.nan, np.float32)
    for position, values in enumerate(splits.values):
        if len(values):
            rows[:, position] = chance.permutation(values[np.arange(first, first + count) % len(values)])
    return rows


def _with_missing(rows: Array, chance: np.random.Generator, absent: Array) -> Array:
    where = chance.random(rows.shape, np.float32) < _MISSING_SHARE
    rows[where] = chance.choice(absent, int(where.sum()))
    return rows
