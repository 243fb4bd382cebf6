"""Reads arrays of numbers in JSON quickly, where that gives the same as the standard library does."""

import re
from typing import Any

import numpy as np
import orjson

__all__ = ["read_numbers"]

_MOST_DIGITS = 18  # in a row: orjson takes whole numbers beyond 64 bits for floats
_ZERO, _NINE, _POINT = ord("0"), ord("9"), ord(".")
_NEGATIVE_ZERO = re.compile(r"-0(?![.0-9eE])")  # orjson takes it for 0


def read_numbers(text: str) -> list[Any] | None:
    """Returns the numbers, truth values and nulls of a JSON array, which has nothing nested in it.

    orjson reads them in a tenth of the time that the standard library takes.

    Args:
        text: the array, with its brackets.

    Returns:
        The values; None if the standard library has to read the text, which it may refuse.
    """
    raw = text.encode(errors="replace")
    if _NEGATIVE_ZERO.search(text) is not None or _has_many_digits(raw):
        return None
    try:
        found: list[Any] = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return found


def _has_many_digits(raw: bytes) -> bool:
    """Whether there is a long row of digits that is not a fraction's, before which there would be a point."""
    signs = np.frombuffer(raw, np.uint8)
    others = np.flatnonzero((signs < _ZERO) | (signs > _NINE))  # the brackets are the first and the last of them
    before = signs[others[:-1][np.diff(others) > _MOST_DIGITS + 1]]
    return bool((before != _POINT).any())
