"""Rows as text, such as "0-4,7": a parameter of the protocol holds no list of numbers."""

import re
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from bridge.columns import Mask
from bridge.errors import InvalidRequest

__all__ = ["read_rows", "write_mask", "write_rows"]

_RANGE = re.compile(r"(0|[1-9][0-9]{0,9})(?:-([1-9][0-9]{0,9}))?", re.ASCII)
_MOST_CHARACTERS = 22  # of a range, its comma included


def read_rows(text: str, rows: int, where: str) -> Mask:
    """Returns a mask, shape (rows,), that is true for the rows that a text names.

    Args:
        text: 0-based rows and ranges of rows, ascending and divided by commas, such as "0-4,7"; empty for none.
        rows: the number of rows.
        where: which parameter it is, for the message.

    Raises:
        InvalidRequest: the text has another form, or names a row that there is not.
    """
    mask = np.zeros(rows, np.bool_)
    if not text:
        return mask
    if len(text) > _MOST_CHARACTERS * max(rows, 1):
        raise _misformed(rows, where)
    behind = 0
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            raise _misformed(rows, where)
        first, last = int(found[1]), int(found[2] or found[1])
        if first < behind or last < first or last >= rows or (found[2] is not None and last == first):
            raise _misformed(rows, where)
        mask[first : last + 1] = True
        behind = last + 1
    return mask


def _misformed(rows: int, where: str) -> InvalidRequest:
    return InvalidRequest(
        f'{where} must be rows below {rows}, ascending and each once, written as in "0-4,7"', limit=f"{rows} rows"
    )


def write_rows(ranges: Iterable[tuple[int, int]]) -> str:
    """Returns ranges of rows as text; each is the 0-based number of its first row and its count of rows, at least 1."""
    return ",".join(f"{first}" if count == 1 else f"{first}-{first + count - 1}" for first, count in ranges)


def write_mask(mask: Mask) -> str:
    """Returns the rows where a mask is true as text."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
    return write_rows((first, last - first) for first, last in list(pairwise(edges))[::2])
