"""The numbers of streams' hashes: what a field's text stands for, for readers and for whoever checks a store."""

import math
import re

from bridge.columns import DOUBLE_EXACT, Type

__all__ = ["read_number"]

_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(rb"-?[0-9]+")
_MOST_BYTES = 400  # Redis writes a number of this size out in full


def read_number(raw: bytes, kind: Type) -> float | None:
    """Returns the number that Redis keeps as a text; None if it is none, or none of the feature's type.

    Args:
        raw: the text, as HINCRBYFLOAT writes it.
        kind: the type: double, int or int64 (whole, and within 2^53), or bool (0 or 1).
    """
    if len(raw) > _MOST_BYTES:
        return None
    if kind is Type.DOUBLE:
        number = float(raw) if _NUMBER.fullmatch(raw) else math.nan
        return number if math.isfinite(number) else None
    if _WHOLE.fullmatch(raw) is None:
        return None
    whole = int(raw)  # as a float it may be another one
    fits = whole in (0, 1) if kind is Type.BOOL else abs(whole) <= DOUBLE_EXACT
    return float(whole) if fits else None
