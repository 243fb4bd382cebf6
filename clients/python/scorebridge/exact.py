"""Finds numbers that a double can't hold exactly: they are refused, so that rounding never turns an id into another."""

import math
import numbers
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_rounded", "is_double"]

_WHOLE_DIGITS = 2**53  # up to here a double holds every whole number; beyond it only multiples of powers of two
_DOUBLE_BYTES = 8


def first_rounded(values: NDArray[Any]) -> int | None:
    """Returns the position, counted row by row, of the first number that no double holds exactly; None if none."""
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
    """Whether a number may be sent as a double. A number that is neither float nor integer is compared by its own `==`.

    A whole number must be held exactly. A fractional Decimal need not: 0.1 means the double that is nearest to it.
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
    """Which whole numbers need more than a double's 53 binary digits, trailing zeros not counted."""
    sizes = np.abs(values).astype(np.uint64)  # also of -2^63, which is its own absolute value
    lowest_digits = sizes & (~sizes + np.uint64(1))
    odd_parts = sizes // np.maximum(lowest_digits, np.uint64(1))
    return np.asarray(odd_parts > np.uint64(_WHOLE_DIGITS))
