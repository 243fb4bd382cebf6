"""Builds a batch of rows from input tensors: one tensor with all features, or one tensor for each column."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bridge.codecs.open_inference.datatypes import DATATYPES, Datatype
from bridge.codecs.open_inference.inference import Input, Values
from bridge.codecs.open_inference.parameters import check_tensor
from bridge.codecs.open_inference.row_ranges import read_rows
from bridge.codecs.open_inference.tensors import shown
from bridge.columns import DOUBLE_EXACT, Array, Batch, Column, Mask, Matrix, Table, Type
from bridge.errors import InvalidRequest

__all__ = ["build_batch", "build_columns", "place_in"]

_MOST_DIMENSIONS = 2
_MOST_LENGTH = 2**31 - 1  # of a dimension: numpy can't hold the shape of an array beyond, not even of an empty one
_MOST_INT64 = 2**63 - 1


def place_in(width: int, number: int) -> str:
    """Returns the words for the place of a value: its row, and its column if the tensor has several.

    Args:
        width: how many values a row of the tensor has.
        number: the 0-based number of the value.
    """
    return f"row {number}" if width == 1 else f"row {number // width}, column {number % width}"


def build_batch(inputs: Sequence[Input], *, by_column: bool) -> Batch:
    """Returns the rows of a request, and checks what can be checked without knowing the model.

    One numeric tensor alone whose rows have several values is a matrix in the model's own order of features. Otherwise
    each tensor is the column of its name.

    Args:
        inputs: the input tensors.
        by_column: whether each tensor must be one column.

    Raises:
        InvalidRequest: the tensors are not well formed; the message names the tensor and what is wrong with it.
    """
    if not inputs:
        raise InvalidRequest("the request has no inputs")
    if len(inputs) == 1 and not by_column:
        rows, width = _size(inputs[0])
        if width != 1:
            return _matrix(inputs[0], rows, width)
    columns = build_columns(inputs)
    return Table(columns, len(columns[0]))


def build_columns(tensors: Sequence[Input]) -> tuple[Column, ...]:
    """Returns tensors as columns of one length.

    Raises:
        InvalidRequest: a tensor is there twice, is no column, or has another number of rows; the message names it.
    """
    for name, following in pairwise(sorted(one.name for one in tensors)):
        if name == following:
            raise InvalidRequest(f"tensor '{shown(name)}' is there twice")
    sizes = [_size(one) for one in tensors]
    rows = sizes[0][0]
    for one, (count, _) in zip(tensors, sizes, strict=True):
        if count != rows:
            raise InvalidRequest(
                f"tensor '{shown(one.name)}' has {count} rows, tensor '{shown(tensors[0].name)}' has {rows}"
            )
    return tuple(_column(one, *size) for one, size in zip(tensors, sizes, strict=True))


def _size(tensor: Input) -> tuple[int, int]:
    """Returns the rows of a tensor, and the values in a row."""
    shape, where = tensor.shape, f"tensor '{shown(tensor.name)}'"
    if not 1 <= len(shape) <= _MOST_DIMENSIONS:
        raise InvalidRequest(f"{where} has {len(shape)} dimensions; [rows] or [rows, columns] is taken")
    if any(isinstance(one, bool) or not isinstance(one, int) or not 0 <= one <= _MOST_LENGTH for one in shape):
        raise InvalidRequest(f"{where}: each dimension of its shape must be a whole number from 0 to {_MOST_LENGTH}")
    width = shape[1] if len(shape) == _MOST_DIMENSIONS else 1
    if not width:
        raise InvalidRequest(f"{where} has no columns: the second dimension of its shape is 0")
    return shape[0], width


def _read(tensor: Input, rows: int, width: int) -> tuple[Datatype, Values, str]:
    datatype = DATATYPES.get(tensor.datatype) if isinstance(tensor.datatype, str) else None
    if datatype is None:
        raise InvalidRequest(
            f"tensor '{shown(tensor.name)}': its datatype must be one of {', '.join(DATATYPES)}, in capitals"
        )
    missing = check_tensor(tensor.name, tensor.parameters)
    return datatype, tensor.read(datatype, rows * width, width), missing


def _matrix(tensor: Input, rows: int, width: int) -> Matrix:
    datatype, values, missing_rows = _read(tensor, rows, width)
    where = f"tensor '{shown(tensor.name)}'"
    if not datatype.is_number:
        raise InvalidRequest(
            f"{where} is {datatype.name}: a tensor of several columns holds numbers; send one tensor a column"
        )
    if missing_rows:
        raise InvalidRequest(f"{where} has several columns: missing_rows is for one column; send NaN as FP32 or FP64")
    entries = values.entries
    if datatype.type is Type.FLOAT:
        numbers = entries.astype(np.float32, copy=False)
    else:
        _check_exact(entries, width, where)
        numbers = entries.astype(np.float64, copy=False)
    if values.missing is not None:
        numbers[values.missing] = np.nan
    return Matrix((), np.ascontiguousarray(numbers.reshape(rows, width)))


def _check_exact(entries: Array, width: int, where: str) -> None:
    if entries.dtype.kind not in "iu" or entries.dtype.itemsize < np.dtype(np.int64).itemsize:
        return
    bad = entries > DOUBLE_EXACT
    if entries.dtype.kind == "i":
        bad |= entries < -DOUBLE_EXACT
    if bad.any():
        raise InvalidRequest(
            f"{where}, {place_in(width, int(bad.argmax()))}: a matrix can't hold it exactly; send one tensor a column",
            limit="2^53",
        )


def _column(tensor: Input, rows: int, width: int) -> Column:
    if width != 1:
        raise InvalidRequest(
            f"tensor '{shown(tensor.name)}' has {width} columns; where each tensor is a column, [{rows}] or "
            f"[{rows}, 1] is taken"
        )
    datatype, values, missing_rows = _read(tensor, rows, width)
    where = f"tensor '{shown(tensor.name)}'"
    mask = _missing(datatype, values.missing, missing_rows, rows, where)
    entries = values.entries
    if entries.dtype == np.uint64 and (bad := entries > _MOST_INT64).any():
        raise InvalidRequest(f"{where}, row {int(bad.argmax())}: larger than any INT64", limit="2^63-1")
    if datatype.type is not Type.STRING:
        entries = entries.astype(datatype.type.dtype, copy=False)
    if datatype.type.is_floating and mask is not None:
        entries[mask], mask = np.nan, None
    return Column(tensor.name, datatype.type, entries, mask)


def _missing(datatype: Datatype, known: Mask | None, text: str, rows: int, where: str) -> Mask | None:
    """Returns which rows of a column are missing; None if none is."""
    if text and known is not None:
        raise InvalidRequest(f"{where} has both missing_rows and null")
    if text and datatype.type.is_floating:
        raise InvalidRequest(f"{where} is {datatype.name}, where NaN is missing; missing_rows is for other datatypes")
    return read_rows(text, rows, f"{where}: missing_rows") if text else known
