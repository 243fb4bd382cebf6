"""Reads what `messages` writes: heads and columns, of which nothing is believed before it is checked."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from .messages import ALIGNMENT, MOST_KEPT, PLAIN, BadMessage, padded
from .vectors import DTYPES, Vector

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decode", "decode_head"]

_MOST_KEPT_BYTES = 64 << 10  # how large a head that is remembered may be
_MOST_COLUMNS = 1 << 20
_FIELDS = 7  # of a column in the head


def decode_head(raw: Any) -> dict[str, Any]:
    """Reads the head of a message; it may be the object of an equal head before, so it must not be changed.

    Raises:
        BadMessage: it is not a JSON object.
    """
    return (_kept_head if len(raw) <= _MOST_KEPT_BYTES else _read_head)(bytes(raw))


def _read_head(raw: bytes) -> dict[str, Any]:
    try:
        head = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadMessage("the head is not JSON") from error
    if not isinstance(head, dict):
        raise BadMessage("the head is not a JSON object")
    return _Head(head)


# Calls of one model have one head as long as their rows are as many and have no text: it is read and checked once.
_kept_head = lru_cache(maxsize=MOST_KEPT)(_read_head)


class _Head(dict[str, Any]):
    """The head of a message.

    Attributes:
        doubles: the names of its columns, if they are checked and all are doubles of which none is missing; else None.
    """

    doubles: tuple[str, ...] | None = None


def decode(head: dict[str, Any], body: memoryview) -> tuple[int, list[Vector]]:
    """Reads the columns of a message; the numbers are views of the body, and nothing much larger than it is made.

    Args:
        head: the head, of `decode_head`.
        body: the whole body, writable if the values are to be.

    Returns:
        The number of rows, and the columns.

    Raises:
        BadMessage: the head does not describe the body, to the byte.
    """
    rows: Any = head.get("rows")
    doubles = head.doubles if isinstance(head, _Head) else None
    if doubles is not None and rows and len(body) == len(doubles) * rows * ALIGNMENT:
        block = np.frombuffer(body, DTYPES["double"]).reshape(len(doubles), rows)
        return rows, [Vector(name, "double", values) for name, values in zip(doubles, block)]
    columns = head.get("columns", [])
    if not _is_count(rows) or not isinstance(columns, list):
        raise BadMessage("the head has no number of rows, or no columns")
    if len(columns) > _MOST_COLUMNS:
        raise BadMessage("the head has too many columns")
    reader = _Reader(body)
    vectors = [_decoded(reader, rows, column) for column in columns]
    reader.end()
    if isinstance(head, _Head) and columns and all(column[1:] == ["double", *PLAIN] for column in columns):
        head.doubles = tuple([vector.name for vector in vectors])
    return rows, vectors


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _decoded(reader: _Reader, rows: int, column: Any) -> Vector:
    if not (isinstance(column, list) and len(column) == _FIELDS):
        raise BadMessage("a column is not described as it must be")
    name, kind, masked, levels, ordered, texts, size = column
    if not _is_text(name) or not isinstance(kind, str) or kind not in DTYPES:
        raise BadMessage("a column has no name, or a type that is none")
    if not isinstance(levels, list) or (levels and not all(map(_is_text, levels))):
        raise BadMessage("the levels of a column are not texts")
    if column[2:] != PLAIN:
        if not all(map(_is_count, (masked, ordered, texts, size))) or masked > 1 or ordered > 1:
            raise BadMessage("a column does not say how it is sent")
        _require_fit(kind, masked, bool(levels) or bool(ordered), bool(texts) or bool(size))
    if kind == "string":
        return _decoded_texts(reader, rows, name, texts, size)
    values = reader.truths(rows) if kind == "bool" else reader.take(rows, DTYPES[kind])
    mask = reader.truths(rows) if masked else None
    if kind == "factor" and rows and (values.min() < 0 or values.max() >= max(len(levels), 1)):
        raise BadMessage("a code has no level")
    return Vector(name, kind, values, mask, tuple(levels), bool(ordered))


def _is_text(value: Any) -> bool:
    """Whether a value is a text that UTF-8 can hold: half a surrogate pair, which JSON can write, is none."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _require_fit(kind: str, masked: int, leveled: bool, written: bool) -> None:
    if (leveled and kind != "factor") or (written and kind != "string") or (masked and kind == "string"):
        raise BadMessage(f"a column of the type {kind} is described as one of another type")


def _decoded_texts(reader: _Reader, rows: int, name: str, texts: int, size: int) -> Vector:
    codes = reader.take(rows, DTYPES["int"])
    lengths = reader.take(texts, DTYPES["int"])
    raw = bytes(reader.take(size, np.dtype("u1")))
    if (lengths < 0).any() or int(lengths.sum(dtype=np.int64)) != size:
        raise BadMessage("the texts have other lengths than they say")
    if rows and (codes.min() < -1 or codes.max() >= texts):
        raise BadMessage("a code has no text")
    table = np.empty(texts + 1, object)  # the last one is what the code -1 stands for
    try:
        table[:-1] = list(_cut(raw, lengths.tolist()))
    except UnicodeDecodeError as error:
        raise BadMessage("a text is not UTF-8") from error
    table[-1] = ""
    mask = codes < 0
    return Vector(name, "string", table[codes], mask if mask.any() else None)


def _cut(raw: bytes, lengths: list[int]) -> Iterator[str]:
    ends = list(accumulate(lengths))
    return (raw[end - length : end].decode() for end, length in zip(ends, lengths))


class _Reader:
    """Takes the buffers of a body one after the other."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int, dtype: Any) -> Any:
        """Returns the next buffer as an array of this many numbers."""
        size = count * dtype.itemsize
        if size > len(self._body) - self._at:
            raise BadMessage("the body is shorter than its head says")
        values = np.frombuffer(self._body, dtype, count, self._at) if count else np.empty(0, dtype)
        self._at += padded(size)
        return values

    def truths(self, count: int) -> Any:
        """Returns the next buffer as truth values."""
        raw = self.take(count, np.dtype("u1"))
        if (raw > 1).any():
            raise BadMessage("a truth value is neither 0 nor 1")
        return raw.view(np.bool_)

    def end(self) -> None:
        """Refuses a body that goes on behind its last buffer, or ends before it."""
        if self._at != len(self._body):
            raise BadMessage("the body is longer than its head says")
