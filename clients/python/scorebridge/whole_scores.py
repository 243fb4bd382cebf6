"""Scores that are whole numbers of 64 bits, some of which no double holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["join_scores", "with_missing"]

_EXACT = 2**53  # doubles hold the whole numbers up to here
_Array = NDArray[Any]


def with_missing(values: _Array, missing: _Array) -> _Array:
    """Returns whole numbers of which some are missing: doubles with NaN, or objects with None where doubles won't do.

    Args:
        values: the numbers, shape (rows,), with a placeholder where one is missing.
        missing: the numbers of the rows that are missing.
    """
    known = np.ones(len(values), np.bool_)
    known[missing] = False
    if _beyond(values[known]):
        return _without(values.astype(object), ~known)
    found: _Array = np.where(known, values, np.nan)
    return found


def join_scores(parts: Sequence[_Array]) -> _Array:
    """Returns the scores of one output, end to end; numbers beside whole ones that no double holds stay as they are."""
    kinds = {part.dtype.kind for part in parts}
    if "f" in kinds and ("O" in kinds or any(part.dtype.kind == "i" and _beyond(part) for part in parts)):
        parts = [_objects(part) for part in parts]
    return np.concatenate(parts)


def _beyond(values: _Array) -> bool:
    return bool(((values > _EXACT) | (values < -_EXACT)).any())


def _objects(part: _Array) -> _Array:
    return _without(part.astype(object), np.isnan(part)) if part.dtype.kind == "f" else part.astype(object)


def _without(objects: _Array, missing: _Array) -> _Array:
    objects[missing] = None
    return objects
