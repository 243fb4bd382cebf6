"""R values to the bytes of QAP1; `bridge.backends.rserve.qap` says what they look like, and reads them.

Rserve checks no length while it decodes, so only bytes that this module made may ever be sent to it.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bridge.backends.rserve.header import OC_CALL, pack_header
from bridge.backends.rserve.qap_types import (
    CALL,
    DOUBLES,
    DT_SEXP,
    HAS_ATTRIBUTES,
    INTS,
    LARGE,
    LOGICALS,
    NA_INT,
    NA_LOGICAL,
    NA_STRING,
    NULL,
    STRINGS,
    SYMBOL_NAME,
    TAGGED_LIST,
    VECTOR,
)
from bridge.backends.rserve.rvalues import Dim, RDouble, RFactor, RInt, RList, RLogical, RNull, RString, RValue
from bridge.columns import Array, Mask

__all__ = ["encode_call", "encode_value"]

_LARGE_FROM = 0xFFFFF0
_Parts = list[Any]  # bytes and views of arrays, joined only once: each copy of a big batch costs milliseconds


def encode_call(capability: str, arguments: Iterable[RValue], msg_id: int) -> bytes:
    """Returns the message that calls the R function behind a capability; it must be sent by one write.

    Args:
        capability: the name that the worker's greeting gave the function.
        arguments: the arguments of the function.
        msg_id: the number that the reply repeats.

    Raises:
        ValueError: an int is -2^31, which is R's NA, or a text holds NUL or a lone surrogate.
    """
    values = [RString([capability]), *arguments]
    call = _item(CALL, [part for value in values for part in _encode(value)])
    return _message(OC_CALL, call, msg_id)


def encode_value(command: int, value: RValue, msg_id: int) -> bytes:
    """Returns a message that holds one R value, as a worker sends it.

    Args:
        command: OC_INIT for a greeting, RESPONSE_OK for a reply.
        value: the value; see `encode_call` for what it must not hold.
        msg_id: the number of the request that is answered.

    Raises:
        ValueError: the value can't be sent.
    """
    return _message(command, _encode(value), msg_id)


def _message(command: int, item: _Parts, msg_id: int) -> bytes:
    body = [_head(DT_SEXP, _size(item)), *item]
    return b"".join((pack_header(command, _size(body), msg_id), *body))


def _size(parts: _Parts) -> int:
    return sum(memoryview(part).nbytes for part in parts)


def _head(kind: int, length: int) -> bytes:
    if length < _LARGE_FROM:
        return struct.pack("<I", kind | length << 8)
    return struct.pack("<Q", kind | LARGE | length << 8)


def _item(kind: int, content: _Parts, attributes: Sequence[tuple[str, RValue]] = ()) -> _Parts:
    if attributes:
        tagged = [part for name, value in attributes for part in (*_encode(value), *_symbol(name))]
        content = [*_item(TAGGED_LIST, tagged), *content]
        kind |= HAS_ATTRIBUTES
    return [_head(kind, _size(content)), *content]


def _symbol(name: str) -> _Parts:
    return _item(SYMBOL_NAME, [_padded(name.encode() + b"\0", b"\0")])


def _padded(raw: bytes, filler: bytes) -> bytes:
    return raw + filler * (-len(raw) % 4)


def _encode(value: RValue) -> _Parts:
    attributes: list[tuple[str, RValue]] = []
    content: _Parts
    match value:
        case RDouble(values, dim):
            kind, content, attributes = DOUBLES, [np.ascontiguousarray(values, "<f8").data], _dim(dim)
        case RInt(values, missing, dim):
            kind, content, attributes = INTS, [_with_na(values, missing).data], _dim(dim)
        case RLogical(values, missing, dim):
            raw = np.asarray(values, np.uint8)
            raw = raw if missing is None else np.where(missing, np.uint8(NA_LOGICAL), raw)
            kind, content = LOGICALS, [struct.pack("<I", len(raw)), _padded(raw.tobytes(), b"\xff")]
            attributes = _dim(dim)
        case RString(strings, dim):
            kind, content, attributes = STRINGS, [_padded(_joined(strings), b"\x01")], _dim(dim)
        case RFactor(codes, levels, missing, ordered):
            kind, content = INTS, [_with_na(np.asarray(codes, np.int32) + np.int32(1), missing).data]
            classes = ["ordered", "factor"] if ordered else ["factor"]
            attributes = [("levels", RString(levels)), ("class", RString(classes))]
        case RList(elements, names):
            kind, content = VECTOR, [part for element in elements for part in _encode(element)]
            attributes = [] if names is None else [("names", RString(names))]
        case RNull():
            kind, content = NULL, []
    return _item(kind, content, attributes)


def _dim(dim: Dim | None) -> list[tuple[str, RValue]]:
    return [] if dim is None else [("dim", RInt(np.array(dim, np.int32)))]


def _with_na(values: Array, missing: Mask | None) -> Array:
    values = np.ascontiguousarray(values, "<i4")
    present = values if missing is None else values[~missing]
    if (present == NA_INT).any():
        raise ValueError("the whole number -2147483648 can't be sent: R reads it as missing")
    return values if missing is None else np.where(missing, np.int32(NA_INT), values)


def _joined(strings: Sequence[str | None]) -> bytes:
    encoded = [NA_STRING if text is None else text.encode() for text in strings]
    joined = b"\0".join((*encoded, b"")) if encoded else b""
    if joined.count(b"\0") != len(encoded):
        raise ValueError("a text that holds NUL can't be sent: NUL ends a string in R")
    return joined
