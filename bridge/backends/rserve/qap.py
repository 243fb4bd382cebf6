"""QAP1, Rserve's protocol, for object-capability calls: what its bytes mean, and how they are read as R values.

Source of every fact: Rserve 1.8 (`Rsrv.h`, `src/qap_encode.c`, `src/qap_decode.c`). A message is a header of 16 bytes
(command, low length, message id, high length; little-endian) and parameters. A parameter and an R value each begin with
one byte of type and three bytes of length. From 0xfffff0 bytes on, the type's bit 0x40 is set and seven bytes of length
follow. `bridge.backends.rserve.qap_encode` writes them.

Missing values: NA of a double is a bit pattern that travels unchanged (see `bridge.backends.rserve.rvalues`); NA of an
int is -2^31, of a logical the byte 2, of a string the byte 0xff.
"""

import numpy as np

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
    TYPE_BITS,
    VECTOR,
)
from bridge.backends.rserve.rvalues import Dim, RDouble, RFactor, RInt, RList, RLogical, RNull, RString, RValue
from bridge.columns import Array, Mask
from bridge.workers.exchange import ProtocolError

__all__ = ["decode", "decode_call"]

_MAX_DEPTH = 32


def decode(body: bytes | bytearray) -> RValue:
    """Returns the one R value in the body of a message.

    Raises:
        ProtocolError: the bytes are cut short, have a wrong length, nest too deep, or hold a type that no reply has.
    """
    view = memoryview(body)
    kind, start, end = _read_head(view, 0, len(view))
    if kind & ~LARGE != DT_SEXP or end != len(view):
        raise ProtocolError(f"a reply of {len(view)} bytes holds a parameter of type {kind}, {end - start} bytes long")
    value, after = _decode(view, start, end, 0)
    if after != end:
        raise ProtocolError(f"a reply has {end - after} bytes behind its value")
    return value


def decode_call(body: bytes | bytearray) -> tuple[str, list[RValue]]:
    """Returns the capability and the arguments in the body of a call, as `encode_call` writes it.

    Raises:
        ProtocolError: the body is not that of a call.
    """
    view = memoryview(body)
    _, at, _ = _read_head(view, 0, len(view))
    kind, at, end = _read_head(view, at, len(view))
    values: list[RValue] = []
    while kind & ~LARGE == CALL and at < end:
        value, at = _decode(view, at, end, 0)
        values.append(value)
    match values:
        case [RString([str(capability)]), *arguments]:
            return capability, arguments
    raise ProtocolError("a request is not the call of a capability")


def _read_head(view: memoryview, at: int, end: int) -> tuple[int, int, int]:
    """Returns the type, start and end of the item at the offset `at`; raises if its end lies past `end`."""
    size = 8 if at < end and view[at] & LARGE else 4
    if at + size > end:
        raise ProtocolError("a reply ends within the header of a value")
    start = at + size
    stop = start + int.from_bytes(view[at + 1 : start], "little")
    if stop > end:
        raise ProtocolError(f"a value in a reply is {stop - start} bytes long, where {end - start} are left")
    return view[at], start, stop


def _decode(view: memoryview, at: int, end: int, depth: int) -> tuple[RValue, int]:
    if depth > _MAX_DEPTH:
        raise ProtocolError(f"the values of a reply nest deeper than {_MAX_DEPTH} levels")
    head, start, stop = _read_head(view, at, end)
    attributes: dict[str, RValue] = {}
    if head & HAS_ATTRIBUTES:
        attributes, start = _decode_attributes(view, start, stop, depth + 1)
    kind = head & TYPE_BITS
    if kind == VECTOR:
        values: list[RValue] = []
        while start < stop:
            value, start = _decode(view, start, stop, depth + 1)
            values.append(value)
        return RList(values, _names(attributes, len(values))), stop
    return _decode_vector(kind, view[start:stop], attributes), stop


def _decode_vector(kind: int, raw: memoryview, attributes: dict[str, RValue]) -> RValue:
    if kind == DOUBLES:
        values = _numbers(raw, "<f8")
        return RDouble(values, _shape(attributes, len(values)))
    if kind == INTS:
        values = _numbers(raw, "<i4")
        absent = values == NA_INT
        missing = absent if absent.any() else None
        if missing is not None:
            values[missing] = 0
        if isinstance(attributes.get("levels"), RString):
            return _factor(values, missing, attributes)
        return RInt(values, missing, _shape(attributes, len(values)))
    if kind == LOGICALS:
        return _decode_logicals(raw, attributes)
    if kind == STRINGS:
        strings = _split(bytes(raw))
        return RString(strings, _shape(attributes, len(strings)))
    if kind == NULL and not raw:
        return RNull()
    raise ProtocolError(f"a reply holds an R value of type {kind}, {len(raw)} bytes long, which R must not send")


def _decode_logicals(raw: memoryview, attributes: dict[str, RValue]) -> RLogical:
    if len(raw) < 4 or (count := int.from_bytes(raw[:4], "little")) > len(raw) - 4:  # noqa: PLR2004 - the count's bytes
        raise ProtocolError("a logical vector in a reply is cut short")
    values = np.frombuffer(raw, np.uint8, count, 4)
    if (values > NA_LOGICAL).any():
        raise ProtocolError("a logical in a reply is neither true nor false nor missing")
    absent = values == NA_LOGICAL
    return RLogical(values == 1, absent if absent.any() else None, _shape(attributes, count))


def _decode_attributes(view: memoryview, at: int, end: int, depth: int) -> tuple[dict[str, RValue], int]:
    """Reads a tagged list (value, symbol, value, symbol, …) and returns it, and where the value itself begins."""
    head, start, stop = _read_head(view, at, end)
    if head & TYPE_BITS != TAGGED_LIST or head & HAS_ATTRIBUTES:
        raise ProtocolError(f"the attributes of a value in a reply have the type {head}")
    attributes: dict[str, RValue] = {}
    while start < stop:
        value, start = _decode(view, start, stop, depth)
        tag, first, start = _read_head(view, start, stop)
        if tag & ~LARGE != SYMBOL_NAME:
            raise ProtocolError(f"the name of an attribute in a reply has the type {tag}")
        attributes[_text(bytes(view[first:start]).rstrip(b"\0"))] = value
    return attributes, stop


def _numbers(raw: memoryview, dtype: str) -> Array:
    if len(raw) % np.dtype(dtype).itemsize:
        raise ProtocolError(f"a vector of {dtype} in a reply has {len(raw)} bytes, which is no multiple of its entries")
    return np.frombuffer(raw, dtype).copy()  # aligned, and free of the reply's buffer


def _split(raw: bytes) -> list[str | None]:
    end = raw.rfind(b"\0")
    if raw[end + 1 :].strip(b"\x01"):
        raise ProtocolError("the last string of a vector in a reply is cut short")
    if end < 0:
        return []
    if NA_STRING not in raw:
        return list(_text(raw[:end]).split("\0"))
    return [None if one == NA_STRING else _text(one) for one in raw[:end].split(b"\0")]


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("a text in a reply is not UTF-8") from error


def _names(attributes: dict[str, RValue], count: int) -> list[str] | None:
    names = attributes.get("names")
    if names is None:
        return None
    if not isinstance(names, RString) or len(names.values) != count:
        raise ProtocolError(f"a list of {count} elements in a reply does not have {count} names")
    return [name or "" for name in names.values]


def _shape(attributes: dict[str, RValue], count: int) -> Dim | None:
    dim = attributes.get("dim")
    if dim is None:
        return None
    if not isinstance(dim, RInt) or not len(dim.values) or dim.missing is not None or (dim.values < 0).any():
        raise ProtocolError("the dimensions of an array in a reply are not whole numbers from 0 on")
    shape = tuple(dim.values.tolist())
    product = 1
    for extent in shape:
        product *= extent
    if product != count:
        raise ProtocolError(f"an array in a reply has {count} values, where its dimensions make {product}")
    return shape


def _factor(codes: Array, missing: Mask | None, attributes: dict[str, RValue]) -> RFactor:
    names, classes = (_strings(attributes.get(name)) for name in ("levels", "class"))
    present = codes if missing is None else codes[~missing]
    if ((present < 1) | (present > len(names))).any():
        raise ProtocolError("a factor in a reply has a code without a level")
    codes = codes - 1
    if missing is not None:
        codes[missing] = 0
    return RFactor(codes, tuple(names), missing, "ordered" in classes)


def _strings(value: RValue | None) -> list[str]:
    return [text or "" for text in value.values] if isinstance(value, RString) else []
