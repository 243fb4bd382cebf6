"""Reads and writes fields of protobuf messages as bytes.

For the messages that every call needs: message objects for them cost more than scoring a row.

Fields may come in any order, and those of one message may be written apart, as long as all of them are there (protobuf
encoding guide, "message structure" and "last one wins"). Field numbers come from the generated code.
"""

from collections.abc import Iterator

__all__ = [
    "DELIMITED",
    "FIXED64",
    "MOST_LENGTH",
    "MOST_VARINT",
    "VARINT",
    "NotAMessage",
    "delimited",
    "duration",
    "read_fields",
    "read_varint",
    "tag",
    "varint",
]

VARINT, FIXED64, DELIMITED = 0, 1, 2
_FIXED32 = 5
_CONTINUES = 0x80  # a byte of at least this value is not the last one of its number
MOST_LENGTH, MOST_VARINT = 5, 10  # bytes at most: of a tag or a length, and of any number
_NANOS = 10**9
_SECONDS_TAG, _NANOS_TAG = b"\x08", b"\x10"  # fields 1 and 2 of google.protobuf.Duration
_SMALL = [bytes((number,)) for number in range(_CONTINUES)]


class NotAMessage(ValueError):
    """Bytes are not a protobuf message, or hold what no message of scorebridge has; the text says which."""


def varint(number: int) -> bytes:
    """Encodes a number from 0 up as protobuf does: seven bits in a byte, the eighth bit says that more bytes follow."""
    if number < 1 << 7:
        return _SMALL[number]
    if number < 1 << 14:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if number < 1 << 21:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    low = (number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14 & 0x7F | 0x80)
    if number < 1 << 28:
        return bytes((*low, number >> 21))
    return bytes(low) + varint(number >> 21)


def tag(number: int, kind: int = DELIMITED) -> bytes:
    """Returns the tag, with which a field begins, for a field number and a wire type."""
    return varint(number << 3 | kind)


def delimited(field_tag: bytes, content: bytes) -> bytes:
    """Returns a whole field of type string, bytes or message."""
    return field_tag + varint(len(content)) + content


def duration(field_tag: bytes, seconds: float) -> bytes:
    """Returns a whole google.protobuf.Duration field; the seconds must not be negative."""
    if not seconds:
        return field_tag + b"\0"
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    content = _NANOS_TAG + varint(nanos) if nanos else b""
    if whole:
        content = _SECONDS_TAG + varint(whole) + content
    return field_tag + varint(len(content)) + content


def read_fields(raw: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields tag, begin and end of the content of each field between two places in some bytes.

    Args:
        raw: the bytes.
        at: where the first field begins.
        end: where the last field ends.

    Raises:
        NotAMessage: a field ends behind `end`, has too long a number, or is a group.
        IndexError: the bytes end within a tag, a length or a number.
    """
    while at < end:
        tag = raw[at]
        at += 1
        if tag >= _CONTINUES:
            tag, at = read_varint(raw, at - 1, MOST_LENGTH)
        kind = tag & 7
        if kind == DELIMITED:
            length = raw[at]
            at += 1
            if length >= _CONTINUES:
                length, at = read_varint(raw, at - 1, MOST_LENGTH)
            begin, at = at, at + length
        elif kind == VARINT:
            begin, (_, at) = at, read_varint(raw, at, MOST_VARINT)
        elif kind in (FIXED64, _FIXED32):
            begin, at = at, at + (8 if kind == FIXED64 else 4)
        else:
            raise NotAMessage("it holds a group, which no message of scorebridge has")
        if at > end:
            raise NotAMessage("it ends within a field")
        yield tag, begin, at


def read_varint(raw: bytes, at: int, most: int) -> tuple[int, int]:
    """Decodes the number at a place, and returns it with the place behind it.

    Args:
        raw: the bytes.
        at: where the number begins.
        most: how many bytes it may have.

    Raises:
        NotAMessage: the number has more bytes.
        IndexError: the bytes end within the number.
    """
    value = 0
    for place in range(most):
        byte = raw[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < _CONTINUES:
            return value, at + place + 1
    raise NotAMessage("a number in it has too many bytes")
