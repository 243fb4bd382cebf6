"""Which numbers a double holds as they are: what it would round is refused, so that an id stays the same id."""

import math
import numbers
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_rounded", "is_double"]

_WHOLE_DIGITS = 2**53  # so far a double holds every whole number; beyond it, multiples of powers of two
_DOUBLE_BYTES = 8


def first_rounded(values: NDArray[Any]) -> int | None:
    """The place of the first number of an array that no double holds, counted row by row; None if doubles hold all."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    rounded = None
    if kind == "f" and size > _DOUBLE_BYTES:
        with np.errstate(over="ignore"):
            doubles = values.astype(np.float64)
        rounded = (doubles != values) & ~np.isnan(values)
    elif kind in "iu" and size == _DOUBLE_BYTES and values.size and _most(values) > _WHOLE_DIGITS:
        rounded = _has_too_many_digits(values)
    return int(rounded.argmax()) if rounded is not None and rounded.any() else None


def is_double(value: Any) -> bool:
    """Whether a double holds a number; what is neither a float nor whole is compared by its own `==`.

    Digits after a Decimal's point are how people write what doubles are near to: of those it need not be exactly one.
    """
    if isinstance(value, float):
        return True
    if isinstance(value, Decimal):
        if not value.is_finite():
            return True
        if value != value.to_integral_value():
            return math.isfinite(float(value))
    exact = int(value) if isinstance(value, numbers.Integral) else value
    try:
        return bool(float(exact) == exact)
    except OverflowError:
        return False


def _most(values: NDArray[Any]) -> int:
    return max(int(values.max()), -int(values.min()))


def _has_too_many_digits(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Without its trailing zeros, in base two, a number must fit the 53 digits that a double has."""
    sizes = np.abs(values).astype(np.uint64)  # also of -2^63, which is its own absolute value
    lowest_digits = sizes & (~sizes + np.uint64(1))
    odd_parts = sizes // np.maximum(lowest_digits, np.uint64(1))
    return np.asarray(odd_parts > np.uint64(_WHOLE_DIGITS))
