"""Reads scorebridge.v1 requests as batches; `bridge.codecs.scorebridge_v1.replies` writes the answers.

Arrays are read as bytes, because reading them element by element takes ten times as long.
"""

from itertools import chain
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.protobuf import varint
from bridge.codecs.scorebridge_v1.bounds import MOST_TEXT_BYTES, UNREADABLE, check_labels, check_text, is_short
from bridge.columns import Array, Batch, Column, Mask, Matrix, Table, Type
from bridge.errors import InvalidRequest

__all__ = ["COLUMN_TYPES", "TYPE_NUMBERS", "check_short", "parse_request", "read_batch", "read_type"]

COLUMN_TYPES = {
    "doubles": Type.DOUBLE,
    "floats": Type.FLOAT,
    "int32s": Type.INT,
    "int64s": Type.INT64,
    "bools": Type.BOOL,
    "strings": Type.STRING,
}
TYPE_NUMBERS: dict[Type, pb.ColumnType] = {kind: getattr(pb, f"COLUMN_TYPE_{kind.name}") for kind in Type}
_TYPES = {int(number): kind for kind, number in TYPE_NUMBERS.items()}


def parse_request(request: bytes) -> pb.ScoreRequest:
    """Parses the bytes of a ScoreRequest.

    Raises:
        InvalidRequest: the bytes are not a ScoreRequest; the message names column and row of text that is not UTF-8.
    """
    try:
        return pb.ScoreRequest.FromString(request)
    except DecodeError as error:
        raise _unreadable(request) from error


def check_short(raw: bytes, request: pb.ScoreRequest) -> None:
    """Checks the number of labels and the length of names, row keys and labels of a short message.

    Args:
        raw: the bytes of the message; one that is not short is passed, as `count_contents` has checked it.
        request: the message that was parsed from these bytes.

    Raises:
        InvalidRequest: there are too many labels, or a text is too long.
    """
    if not is_short(raw):
        return
    check_labels(len(request.labels))
    if len(raw) > MOST_TEXT_BYTES:
        names = request.matrix.columns if request.HasField("matrix") else [one.name for one in request.table.columns]
        texts = [request.model, request.batch_id, *request.row_keys, *chain(*request.labels.items()), *names]
        if len(max(texts, key=len)) > MOST_TEXT_BYTES // 4:  # no character has more than 4 bytes
            for text in texts:
                check_text("a name, row key or label", len(text.encode()))


def _unreadable(request: bytes) -> InvalidRequest:
    """Returns the error of a request that protobuf refused.

    Protobuf does not say where text is not UTF-8, so the request is parsed again with bytes in the place of strings.
    """
    try:
        twin = _bytes_twin().FromString(request)
    except DecodeError:
        return InvalidRequest(UNREADABLE)
    for column in twin.table.columns:
        for row, value in enumerate(column.strings.values):
            if not _is_utf8(value):
                name = column.name.decode(errors="replace")
                return InvalidRequest(f"column '{name}', row {row}: not UTF-8", column=name, row=row)
        if not _is_utf8(column.name):
            return InvalidRequest("the name of a column is not UTF-8")
    return InvalidRequest("a text in the request is not UTF-8")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _bytes_twin() -> Any:
    text, raw = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
    file = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    for message in file.message_type:
        for field in [*message.field, *(field for nested in message.nested_type for field in nested.field)]:
            if field.type == text:
                field.type = raw
    # A map's key can't be bytes; labels are read as the repeated entries that a map is on the wire.
    for message in file.message_type:
        for nested in message.nested_type:
            nested.options.Clear()
    pool = descriptor_pool.DescriptorPool()
    for needed in pb.DESCRIPTOR.dependencies:
        copied = descriptor_pb2.FileDescriptorProto()
        needed.CopyToProto(copied)
        pool.Add(copied)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("scorebridge.v1.ScoreRequest"))


def read_batch(request: pb.ScoreRequest) -> Batch:
    """Reads the rows of a request, and checks what can be checked without knowing the model.

    Raises:
        InvalidRequest: the rows are not well formed; the message names the column and what is wrong with it.
    """
    kind = request.WhichOneof("features")
    if kind is None:
        raise InvalidRequest("the request has neither a matrix nor a table")
    return _read_matrix(request.matrix) if kind == "matrix" else _read_table(request.table)


def read_type(number: int) -> Type:
    """Returns the column type with a number of the proto's ColumnType.

    Raises:
        InvalidRequest: this version knows no type of that number.
    """
    if (column_type := _TYPES.get(number)) is None:
        raise InvalidRequest(f"a column has type number {number}, which this version of scorebridge does not know")
    return column_type


def _read_matrix(matrix: pb.Matrix) -> Matrix:
    kind = matrix.WhichOneof("values")
    dtype = np.dtype(np.float32) if kind == "floats" else np.dtype(np.float64)
    values = _numbers(getattr(matrix, kind), dtype) if kind else np.empty(0, dtype)
    names, rows = tuple(matrix.columns), matrix.rows
    if rows == 0:
        if len(values):
            raise InvalidRequest(f"the matrix has {len(values)} values for 0 rows")
        return Matrix(names, values.reshape(0, len(names)))
    width = len(names) or len(values) // rows
    if len(values) != rows * width:
        raise InvalidRequest(f"the matrix has {len(values)} values for {rows} rows of {width} columns")
    return Matrix(names, values.reshape(rows, width))


def _read_table(table: pb.Table) -> Table:
    if not table.columns:
        raise InvalidRequest("the table has no columns")
    columns = tuple(_read_column(column) for column in table.columns)
    rows = len(columns[0])
    for column in columns:
        if len(column) != rows:
            raise InvalidRequest(
                f"column '{column.name}' has {len(column)} rows, column '{columns[0].name}' has {rows}"
            )
    return Table(columns, rows)


def _read_column(column: pb.Column) -> Column:
    kind = column.WhichOneof("values")
    if kind is None:
        raise InvalidRequest(f"column '{column.name}' has no values")
    column_type = COLUMN_TYPES[kind]
    entries = getattr(column, kind).values
    if column_type is Type.STRING:
        for row, text in enumerate(entries):
            if "\0" in text:
                message = f"column '{column.name}', row {row}: holds a NUL character"
                raise InvalidRequest(message, column=column.name, row=row)
        values = np.empty(len(entries), object)
        values[:] = entries
    else:
        values = _numbers(getattr(column, kind), column_type.dtype)
    if not column.missing_rows:
        return Column(column.name, column_type, values)
    mask = _read_missing(column, len(values))
    if column_type.is_floating:
        values[mask] = np.nan
        return Column(column.name, column_type, values)
    return Column(column.name, column_type, values, mask)


def _numbers(array: Any, dtype: np.dtype[Any]) -> Array:
    """Returns the values of an array message, read from the end of its bytes, where they are as in memory."""
    count = len(array.values)
    raw = array.SerializeToString()
    size = count * dtype.itemsize
    if len(raw) == size + 1 + len(varint(size)):
        return np.frombuffer(raw, dtype, count, len(raw) - size).copy()
    return np.array(array.values, dtype)  # the bytes also hold fields that this version does not know


def _read_missing(column: pb.Column, rows: int) -> Mask:
    missing = np.array(column.missing_rows, np.int64)
    if missing[-1] >= rows or (len(missing) > 1 and (np.diff(missing) <= 0).any()):
        raise InvalidRequest(f"column '{column.name}': missing_rows must be ascending and below {rows}")
    mask = np.zeros(rows, np.bool_)
    mask[missing] = True
    return mask
