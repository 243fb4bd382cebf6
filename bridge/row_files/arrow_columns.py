"""Turns columns of Arrow into ours, with the meaning that the Python client gives them: nulls and NaN are missing."""

from collections.abc import MutableMapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bridge.columns import DOUBLE_EXACT, Array, Column, Mask, Type, all_missing
from bridge.errors import BridgeError

__all__ = ["ArrowRefused", "columns_of", "key_texts", "may_be_keys", "plain_array", "plain_type"]

_EXACT_DIGITS = 15  # so many digits are below 2^53
_EXACT_POWER = 22  # the largest power of ten that a double holds
_TIMES = (pa.types.is_temporal, "write numbers or text instead, as the model was trained with")
_REFUSED = "cast it to a number, a truth value or text"

_Refusals = MutableMapping[int, tuple[str, str]]


class ArrowRefused(BridgeError):
    """A column has a type that no model takes, or a value that can't be kept; the message names it and what to do.

    Attributes:
        row: the number of the row with the value, from 0; None if the whole column is refused.
    """

    reason = "INVALID_VALUE"

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


def columns_of(
    batch: pa.RecordBatch | pa.Table, names: Sequence[str], refused: _Refusals | None = None
) -> tuple[Column, ...]:
    """Returns columns of a batch or table, by their names; numbers without nulls are not copied.

    Args:
        batch: the rows.
        names: the columns to return.
        refused: takes the column and a sentence for each row with a value that can't be kept, by the row's number;
            None if such a value is to raise.

    Raises:
        ArrowRefused: there is no such column, or several; one has a type that no model takes; or `refused` is None and
            a value can't be kept.
    """
    found: _Refusals = {} if refused is None else refused
    columns = tuple(_column(name, _only(batch, name), found) for name in names)
    if refused is None and found:
        row = min(found)
        column, sentence = found[row]
        raise ArrowRefused(f"column '{column}', row {row}: {sentence}", row)
    return columns


def plain_type(name: str, kind: pa.DataType) -> Type:
    """Returns the type of the column that an Arrow type becomes.

    Raises:
        ArrowRefused: no model takes such a column.
    """
    if pa.types.is_dictionary(kind):
        return plain_type(name, kind.value_type)
    for test, ours in _TYPES:
        if test(kind):
            return ours
    remedy = _TIMES[1] if _TIMES[0](kind) else _REFUSED
    raise ArrowRefused(f"column '{name}' is of the Arrow type {kind}, which no model takes: {remedy}")


def _is_text(kind: pa.DataType) -> bool:
    view = getattr(pa.types, "is_string_view", None)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or bool(view and view(kind))


def _is_int(kind: pa.DataType) -> bool:
    return kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16())


def _is_int64(kind: pa.DataType) -> bool:
    return kind in (pa.uint32(), pa.int64(), pa.uint64())


_TYPES: tuple[tuple[Any, Type], ...] = (
    (pa.types.is_float64, Type.DOUBLE),
    (lambda kind: kind in (pa.float16(), pa.float32()), Type.FLOAT),
    (_is_int, Type.INT),
    (_is_int64, Type.INT64),
    (_is_text, Type.STRING),
    (pa.types.is_boolean, Type.BOOL),
    (pa.types.is_decimal, Type.DOUBLE),
    (pa.types.is_null, Type.BOOL),
)


def plain_array(column: Any) -> Any:
    """Returns a column or chunked column as one array, without a dictionary; views of text become text."""
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else _combined(column)
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if _is_text(column.type) and not pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    return column


def may_be_keys(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type may hold row keys: text or whole numbers, which have one spelling."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)


def key_texts(column: Any) -> list[str]:
    """Returns the row keys in a column of text or whole numbers, empty where a row has none."""
    return [key or "" for key in column.cast(pa.large_string()).to_pylist()]


def _combined(column: Any) -> Any:
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined


def _only(batch: pa.RecordBatch | pa.Table, name: str) -> Any:
    places = batch.schema.get_all_field_indices(name)
    if len(places) > 1:
        raise ArrowRefused(f"two columns have the name '{name}': rename one of them")
    if not places:
        raise ArrowRefused(f"there is no column '{name}'")
    return batch.column(places[0])


def _column(name: str, column: Any, refused: _Refusals) -> Column:
    ours = plain_type(name, column.type)
    array = plain_array(column)
    if pa.types.is_null(array.type):
        return all_missing(name, Type.BOOL, len(array))
    mask = np.asarray(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    if ours is Type.STRING:
        return Column(name, ours, _texts(name, array, mask, refused), mask)
    if pa.types.is_decimal(array.type):
        return Column(name, ours, _decimals(name, array, mask, refused))
    values = _numbers(name, array, mask, refused)
    if ours.is_floating:
        values = values.astype(ours.dtype, copy=False)
        if mask is not None:
            values = np.where(mask, ours.dtype.type(np.nan), values)
        return Column(name, ours, values)
    return Column(name, ours, values.astype(ours.dtype, copy=False), mask)


def _numbers(name: str, array: Any, mask: Mask | None, refused: _Refusals) -> Array:
    """Returns numbers or truth values with 0 where they are null, and in rows that are refused."""
    if mask is not None:
        array = _filled(array)
    zero_copy = not pa.types.is_boolean(array.type)
    values: Array = array.to_numpy(zero_copy_only=zero_copy)
    if pa.types.is_uint64(array.type) and len(values) and int(values.max()) >= 1 << 63:
        beyond = values >= np.uint64(1 << 63)
        _refuse(name, beyond, "a whole number beyond int64", refused)
        values = np.where(beyond, np.uint64(0), values)
    return values


def _filled(array: Any) -> Any:
    if array.type == pa.float16():  # for which pyarrow has no kernel that fills
        array = array.cast(pa.float32())
    return pc.fill_null(array, pa.scalar(False if pa.types.is_boolean(array.type) else 0).cast(array.type))


def _texts(name: str, array: Any, mask: Mask | None, refused: _Refusals) -> Array:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raise ArrowRefused(f"column '{name}' holds text that is not UTF-8: write the file again") from None
    values: Array = array.to_numpy(zero_copy_only=False)
    if mask is not None:
        values = np.where(mask, "", values).astype(object)
    holds_nul = pc.fill_null(pc.match_substring(array, "\0"), False).to_numpy(zero_copy_only=False)
    if holds_nul.any():
        _refuse(name, holds_nul, "the text holds a NUL character, which R's texts can't", refused)
    return values


def _decimals(name: str, array: Any, mask: Mask | None, refused: _Refusals) -> Array:
    """Returns the doubles nearest to decimals; whole ones must be kept to the last digit.

    Two doubles that are exact, a numerator below 2^53 and a power of ten, have the nearest double as their quotient.
    """
    kind = array.type
    if pa.types.is_decimal128(kind) and kind.precision <= _EXACT_DIGITS and 0 <= kind.scale <= _EXACT_POWER:
        halves = np.frombuffer(array.buffers()[1], np.int64)
        low = halves[2 * array.offset : 2 * (array.offset + len(array)) : 2]
        quotients = low.astype(np.float64) / 10.0**kind.scale
        return quotients if mask is None else np.where(mask, np.nan, quotients)
    values = np.full(len(array), np.nan)
    lost = np.zeros(len(array), np.bool_)
    for row, number in enumerate(array.to_pylist()):
        if number is not None:
            values[row] = float(number)
            lost[row] = not _is_kept(number, values[row])
    if lost.any():
        _refuse(name, lost, "a number that no double holds exactly", refused)
        values[lost] = np.nan
    return values


def _is_kept(number: Decimal, double: float) -> bool:
    if abs(number) < DOUBLE_EXACT:
        return True
    return bool(np.isfinite(double)) and (number != number.to_integral_value() or Decimal(double) == number)


def _refuse(name: str, rows: Array, sentence: str, refused: _Refusals) -> None:
    for row in np.flatnonzero(rows).tolist():
        refused.setdefault(row, (name, sentence))
