"""Reads the values of tensors from raw bytes and from typed contents, and writes them; exact, or refused."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bridge.codecs.open_inference.datatypes import DATATYPES, Datatype
from bridge.codecs.open_inference.inference_pb2 import InferTensorContents
from bridge.codecs.protobuf import delimited, tag, varint
from bridge.codecs.runs import RUN
from bridge.columns import Array, Column, Type
from bridge.errors import InvalidRequest
from bridge.texts import brief

__all__ = ["Place", "decoded", "read_contents", "read_raw", "shown", "write_contents", "write_raw"]

_LENGTH = struct.Struct("<I")  # before each text in raw bytes
_BF16 = DATATYPES["BF16"]
_MOST_SHOWN = 100  # characters of a caller's name
# Fields whose values are all of one width are, packed, what they are in memory.
_PACKED = {
    name: tag(InferTensorContents.DESCRIPTOR.fields_by_name[name].number)
    for name in ("fp32_contents", "fp64_contents", "bool_contents")
}

Place = Callable[[int], str]


def shown(name: str) -> str:
    """Returns a name that a caller gave as it can be shown in a message: on one line, and not too long."""
    return brief(name, _MOST_SHOWN)


def read_raw(raw: bytes | memoryview, datatype: Datatype, count: int, name: str, place: Place) -> Array:
    """Returns the values of a tensor that was sent as bytes; BF16 as float32, BYTES as texts.

    Args:
        raw: the bytes.
        datatype: the tensor's datatype.
        count: the number of values that its shape asks for.
        name: the tensor's name.
        place: gives the words for the place of a value, by the value's number.

    Raises:
        InvalidRequest: the bytes are not so many values, or hold one that the datatype does not have.
    """
    if datatype.type is Type.STRING:
        return decoded(_texts(raw, count, name), name, place)
    size = datatype.dtype.itemsize
    if len(raw) != count * size:
        raise InvalidRequest(
            f"tensor '{shown(name)}' has {len(raw)} raw bytes; {count} values of {datatype.name} have {count * size}"
        )
    if datatype.type is Type.BOOL:
        octets = np.frombuffer(raw, np.uint8)
        if (bad := octets > 1).any():
            raise InvalidRequest(f"tensor '{shown(name)}', {place(int(bad.argmax()))}: not a BOOL, which is 0 or 1")
        return octets.astype(np.bool_)
    values = np.frombuffer(raw, datatype.dtype)
    if datatype is _BF16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.copy()


def _texts(raw: bytes | memoryview, count: int, name: str) -> list[bytes]:
    texts: list[bytes] = []
    raw, at, end = bytes(raw), 0, len(raw)
    while at < end and len(texts) < count:
        begin = at + _LENGTH.size
        if begin > end:
            break
        behind = begin + _LENGTH.unpack_from(raw, at)[0]
        if behind > end:
            break
        texts.append(raw[begin:behind])
        at = behind
    if at != end or len(texts) != count:
        raise InvalidRequest(
            f"tensor '{shown(name)}': its raw bytes must be {count} texts, each with 4 bytes of its length before it"
        )
    return texts


def decoded(texts: Sequence[bytes], name: str, place: Place) -> Array:
    """Returns the values of a BYTES tensor as texts.

    Raises:
        InvalidRequest: one of them is not UTF-8, or holds a NUL character.
    """
    values = np.empty(len(texts), object)
    for number, text in enumerate(texts):
        try:
            values[number] = text.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"tensor '{shown(name)}', {place(number)}: not UTF-8") from None
        if b"\0" in text:
            raise InvalidRequest(f"tensor '{shown(name)}', {place(number)}: holds a NUL character")
    return values


def read_contents(contents: InferTensorContents, datatype: Datatype, count: int, name: str, place: Place) -> Array:
    """Returns the values of a tensor that was sent in typed contents.

    Args:
        contents: the contents.
        datatype: the tensor's datatype.
        count: the number of values that its shape asks for.
        name: the tensor's name.
        place: gives the words for the place of a value, by the value's number.

    Raises:
        InvalidRequest: the values are in the field of another datatype, are not so many, or don't fit the datatype.
    """
    if not datatype.field:
        raise InvalidRequest(f"tensor '{shown(name)}' is {datatype.name}, which must be sent in raw_input_contents")
    for field, _ in contents.ListFields():
        if field.name != datatype.field:
            raise InvalidRequest(
                f"tensor '{shown(name)}' is {datatype.name}, whose values are sent in {datatype.field}; "
                f"it has {field.name}"
            )
    entries = getattr(contents, datatype.field)
    if len(entries) != count:
        raise InvalidRequest(f"tensor '{shown(name)}' has {len(entries)} values; its shape asks for {count}")
    if datatype.type is Type.STRING:
        return decoded(entries, name, place)
    if datatype.field in _PACKED:
        return _packed(contents, datatype, count)
    wide = np.empty(count, np.uint64 if datatype.field == "uint64_contents" else np.int64)
    for first in range(0, count, RUN):
        wide[first : first + RUN] = entries[first : first + RUN]
    narrow = wide.astype(datatype.dtype)
    if (bad := narrow != wide).any():
        raise InvalidRequest(f"tensor '{shown(name)}', {place(int(bad.argmax()))}: does not fit {datatype.name}")
    return narrow


def _packed(contents: InferTensorContents, datatype: Datatype, count: int) -> Array:
    """Returns the values from the end of the message's bytes: to read them one by one takes ten times as long."""
    raw, size = contents.SerializeToString(), count * datatype.dtype.itemsize
    if len(raw) == len(_PACKED[datatype.field]) + len(varint(size)) + size:
        return np.frombuffer(raw, datatype.dtype, count, len(raw) - size).copy()
    # The bytes also hold fields that this version does not know.
    return np.array(getattr(contents, datatype.field), datatype.dtype)


def write_raw(column: Column) -> bytes:
    """Returns the values of an output as raw bytes; they are little-endian, and texts have their length before them."""
    if column.type is not Type.STRING:
        return column.values.tobytes()
    encoded = [text.encode() for text in column.values.tolist()]
    return b"".join(part for text in encoded for part in (_LENGTH.pack(len(text)), text))


def write_contents(column: Column, datatype: Datatype) -> InferTensorContents:
    """Returns the values of an output as typed contents."""
    if datatype.field in _PACKED:
        # A packed field of fixed width is on the wire what it is in the memory of a little-endian machine.
        raw = column.values.tobytes()
        return InferTensorContents.FromString(delimited(_PACKED[datatype.field], raw) if raw else b"")
    contents = InferTensorContents()
    field = getattr(contents, datatype.field)
    for first in range(0, len(column), RUN):
        values: list[Any] = column.values[first : first + RUN].tolist()
        field.extend([text.encode() for text in values] if column.type is Type.STRING else values)
    return contents
