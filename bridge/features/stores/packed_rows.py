"""The bytes of an entity's row in a feature batch: numbers, then texts.

A row is the number of its schema (4 bytes, unsigned), every feature that is a number as float64 in the schema's order
(NaN is missing, truth is 1), and then every text: its length in bytes (4 bytes, unsigned; all bits set for a missing
text) and its UTF-8. All of it is little-endian and without padding. docs/features.md says the same for writers in other
languages.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np

from bridge.columns import DOUBLE_EXACT, INT_MAX, INT_MIN, Array, Column, Mask, Type
from bridge.errors import InvalidRequest
from bridge.features.stores.group import GroupFeature
from bridge.values import value

__all__ = ["RowFormat", "RowReader", "UnpackedRows", "row_format"]

_LENGTH = struct.Struct("<I")
_MISSING_TEXT = 0xFFFFFFFF
_MOST_TEXT_BYTES = 1 << 20


@value
class UnpackedRows:
    """Rows as columns.

    Attributes:
        columns: one for each feature that was asked for, in that order; missing where there is no row.
        found: shape (rows,), which rows were there and could be read.
        malformed: shape (rows,), which rows were there and are not rows of this format.
    """

    columns: tuple[Column, ...]
    found: Mask
    malformed: Mask


class RowFormat:
    """Packs and unpacks the rows of one schema.

    Args:
        schema: the schema's number.
        features: its features, in its order.
    """

    def __init__(self, schema: int, features: tuple[GroupFeature, ...]) -> None:
        self._features = features
        self._numbers = [one for one in features if one.type is not Type.STRING]
        self._texts = [one for one in features if one.type is Type.STRING]
        self._places = {one.name: place for place, one in enumerate(self._numbers)}
        self._head = np.dtype([("schema", "<u4"), ("numbers", "<f8", (len(self._numbers),))])
        self._schema = schema
        self._begin = _LENGTH.pack(schema)

    def pack(self, columns: Sequence[Column]) -> list[bytes]:
        """Returns the bytes of each row.

        Args:
            columns: the features in the schema's order, each of its type, and all of one length.

        Raises:
            InvalidRequest: a whole number is beyond 2^53, or a text longer than 1 MiB; it names column and row.
        """
        rows = len(columns[0])
        heads = np.zeros(rows, self._head)
        heads["schema"] = self._schema
        numbers = [column for column in columns if column.type is not Type.STRING]
        for place, column in enumerate(numbers):
            heads["numbers"][:, place] = _as_doubles(column)
        raw, width = heads.tobytes(), self._head.itemsize
        packed = [raw[at : at + width] for at in range(0, rows * width, width)] if width else [b""] * rows
        texts = [_packed_texts(column) for column in columns if column.type is Type.STRING]
        return [b"".join(parts) for parts in zip(packed, *texts, strict=True)] if texts else packed

    def unpack(self, rows: Sequence[bytes | None], wanted: Sequence[GroupFeature]) -> UnpackedRows:
        """Returns rows as columns; `reader` is quicker where the same features are wanted again and again.

        Args:
            rows: the bytes of each row; None where there is none.
            wanted: the features to return; one that the schema does not have is missing in every row.
        """
        return self.reader(wanted).read(rows)

    def reader(self, wanted: Sequence[GroupFeature]) -> "RowReader":
        """Returns what unpacks these features of rows; one that the schema does not have is missing in every row."""
        return RowReader(self, wanted)

    def places(self, wanted: Sequence[GroupFeature]) -> Array | None:
        """Returns the places of features among a row's numbers; None if not all are double and in rows of numbers."""
        if self._texts or not all(one.type is Type.DOUBLE and one.name in self._places for one in wanted):
            return None
        return np.array([self._places[one.name] for one in wanted], np.int64)

    def unpack_mixed(self, rows: Sequence[bytes | None], wanted: Sequence[GroupFeature]) -> UnpackedRows:
        """Returns features of all types as columns, also of rows that are missing or malformed."""
        whole = self.whole(rows)
        heads, found = self._heads(rows) if whole is None else (whole, np.ones(len(rows), np.bool_))
        texts = self._texts_of(rows, found) if self._texts else {}
        numbers = np.ascontiguousarray(heads["numbers"].T)
        for one in wanted:
            if one.type is not Type.DOUBLE and (place := self._places.get(one.name)) is not None:
                found &= ~_unfit(numbers[place], one.type)
        there = np.fromiter((row is not None for row in rows), np.bool_, len(rows))
        every = bool(found.all())
        columns = tuple(self._column(one, numbers, texts, found, every=every) for one in wanted)
        return UnpackedRows(columns, found, there & ~found)

    def whole(self, rows: Sequence[bytes | None]) -> Array | None:
        """Returns the heads of rows that are all there, of numbers alone, and of this schema; else None."""
        width = self._head.itemsize
        if self._texts or not rows or rows[0] is None:
            return None
        there = cast("Sequence[bytes]", rows)
        if len(rows) == 1:
            alike = len(there[0]) == width and there[0].startswith(self._begin)
            return np.frombuffer(there[0], self._head) if alike else None
        try:
            joined = b"".join(there)  # raises where one is None: to look for it would take longer
        except TypeError:
            return None
        if len(joined) != width * len(rows) or set(map(len, there)) != {width}:
            return None
        heads = np.frombuffer(joined, self._head)
        return heads if (heads["schema"] == self._schema).all() else None

    def _heads(self, rows: Sequence[bytes | None]) -> tuple[Array, Mask]:
        """Returns the numbers of each row, and which rows are there and have the form of this schema."""
        width = self._head.itemsize
        blank = self._begin + b"\0" * (width - _LENGTH.size)
        fits = int.__ge__ if self._texts else int.__eq__
        readable = [row is not None and fits(len(row), width) for row in rows]
        kept = [row[:width] if ok and row else blank for row, ok in zip(rows, readable, strict=True)]
        heads = np.frombuffer(b"".join(kept), self._head)
        return heads, np.array(readable, np.bool_) & (heads["schema"] == self._schema)

    def _column(
        self, wanted: GroupFeature, numbers: Array, texts: dict[str, Array], found: Mask, *, every: bool
    ) -> Column:
        if wanted.type is Type.STRING:
            values: Array = texts.get(wanted.name, np.full(len(found), None, object))
            absent = ~found | np.fromiter((text is None for text in values), np.bool_, len(values))
            values = values.copy()
            values[absent] = ""
            return Column(wanted.name, Type.STRING, values, absent if absent.any() else None)
        place = self._places.get(wanted.name)
        values = np.full(len(found), np.nan) if place is None else numbers[place]
        if wanted.type is Type.DOUBLE:
            if not every:
                values = np.where(found, values, np.nan)
            return Column(wanted.name, Type.DOUBLE, values)
        absent = ~found | np.isnan(values)
        typed = np.where(absent, 0, values).astype(wanted.type.dtype)
        return Column(wanted.name, wanted.type, typed, absent if absent.any() else None)

    def _texts_of(self, rows: Sequence[bytes | None], found: Mask) -> dict[str, Array]:
        """Returns each row's texts by the feature's name, None where missing; a row that ends early is not found."""
        columns: dict[str, Array] = {one.name: np.full(len(rows), None, object) for one in self._texts}
        for number, row in enumerate(rows):
            if row is None or not found[number]:
                continue
            texts = _read_texts(row, self._head.itemsize, len(self._texts))
            if texts is None:
                found[number] = False
                continue
            for one, text in zip(self._texts, texts, strict=True):
                columns[one.name][number] = text
        return columns


class RowReader:
    """Unpacks some features of the rows of one schema, again and again.

    Args:
        form: the format of the rows.
        wanted: the features.
    """

    def __init__(self, form: RowFormat, wanted: Sequence[GroupFeature]) -> None:
        self._form, self._wanted = form, tuple(wanted)
        self._names = [one.name for one in wanted]
        self._places = form.places(wanted)
        self._types = [Type.DOUBLE] * len(self._names)
        self._one = np.ones(1, np.bool_), np.zeros(1, np.bool_)

    def read(self, rows: Sequence[bytes | None]) -> UnpackedRows:
        """Returns rows as columns.

        Args:
            rows: the bytes of each row; None where there is none.
        """
        whole = None if self._places is None else self._form.whole(rows)
        if whole is None:
            return self._form.unpack_mixed(rows, self._wanted)
        # Nothing is missing or malformed: that is what most calls have.
        columns = tuple(map(Column, self._names, self._types, whole["numbers"].T[self._places]))
        if len(rows) == 1:
            return UnpackedRows(columns, *self._one)
        return UnpackedRows(columns, np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_))


@lru_cache(maxsize=256)
def row_format(schema: int, features: tuple[GroupFeature, ...]) -> RowFormat:
    """Returns the format of a schema's rows."""
    return RowFormat(schema, features)


def _as_doubles(column: Column) -> Array:
    if column.type is Type.INT64:
        beyond = (column.values > DOUBLE_EXACT) | (column.values < -DOUBLE_EXACT)
        beyond &= ~column.missing()
        if beyond.any():
            row = int(beyond.argmax())
            raise InvalidRequest(
                f"column '{column.name}', row {row}: outside +-2^53, the whole numbers that a row holds exactly",
                limit="+-2^53",
                column=column.name,
                row=row,
            )
    values: Array = column.values.astype(np.float64)
    if column.mask is not None:
        values = np.where(column.mask, np.nan, values)
    return values


def _packed_texts(column: Column) -> list[bytes]:
    packed: list[bytes] = []
    for row, (text, absent) in enumerate(zip(column.values.tolist(), column.missing().tolist(), strict=True)):
        raw = b"" if absent else text.encode()
        if len(raw) > _MOST_TEXT_BYTES:
            raise InvalidRequest(
                f"column '{column.name}', row {row}: a text of {len(raw)} bytes",
                limit=f"{_MOST_TEXT_BYTES} bytes",
                column=column.name,
                row=row,
            )
        packed.append(_LENGTH.pack(_MISSING_TEXT if absent else len(raw)) + raw)
    return packed


def _read_texts(row: bytes, at: int, count: int) -> list[str | None] | None:
    texts: list[str | None] = []
    for _ in range(count):
        if len(row) < at + _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(row, at)
        at += _LENGTH.size
        if length == _MISSING_TEXT:
            texts.append(None)
            continue
        if length > _MOST_TEXT_BYTES or len(row) < at + length:
            return None
        try:
            texts.append(row[at : at + length].decode())
        except UnicodeDecodeError:
            return None
        at += length
    return texts if at == len(row) else None


def _unfit(values: Array, kind: Type) -> Mask:
    """Returns which numbers can't be of a type; a missing one can be of any."""
    if kind is Type.DOUBLE:
        return np.zeros(len(values), np.bool_)
    known = np.where(np.isnan(values), 0.0, values)
    unfit: Mask = known != np.rint(known)
    if kind is Type.BOOL:
        unfit |= (known != 0.0) & (known != 1.0)
        return unfit
    # The least int is R's NA, and no number.
    low, high = (INT_MIN + 1, INT_MAX) if kind is Type.INT else (-DOUBLE_EXACT, DOUBLE_EXACT)
    unfit |= (known < low) | (known > high)
    return unfit
