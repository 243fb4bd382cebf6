"""Fields of protobuf messages as bytes, for the messages that every call costs: objects for them cost more than a row.

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
_CONTINUES = 0x80  # a byte from here on is not the last one of its number
MOST_LENGTH, MOST_VARINT = 5, 10  # bytes: of a tag or a length, and of any number
_NANOS = 10**9
_SECONDS_TAG, _NANOS_TAG = b"\x08", b"\x10"  # fields 1 and 2 of google.protobuf.Duration
_SMALL = [bytes((number,)) for number in range(_CONTINUES)]


class NotAMessage(ValueError):
    """Bytes are no message that can be followed, in a sentence."""


def varint(number: int) -> bytes:
    """A number from 0 up, as protobuf writes it: seven bits a byte, of which the eighth says that more follow."""
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
    """What a field begins with."""
    return varint(number << 3 | kind)


def delimited(field_tag: bytes, content: bytes) -> bytes:
    """A text, bytes or message field."""
    return field_tag + varint(len(content)) + content


def duration(field_tag: bytes, seconds: float) -> bytes:
    """A google.protobuf.Duration field of seconds that are not negative."""
    if not seconds:
        return field_tag + b"\0"
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    content = _NANOS_TAG + varint(nanos) if nanos else b""
    if whole:
        content = _SECONDS_TAG + varint(whole) + content
    return field_tag + varint(len(content)) + content


def read_fields(raw: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The tag of each field between two places, and where its content begins and ends.

    Raises:
        NotAMessage: there is no field, or a group.
        IndexError: the bytes end before one does.
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
            raise NotAMessage("it holds a group, which no message of ours has")
        if at > end:
            raise NotAMessage("it ends within a field")
        yield tag, begin, at


def read_varint(raw: bytes, at: int, most: int) -> tuple[int, int]:
    """The number at a place, of at most so many bytes, and the place behind it.

    Raises:
        NotAMessage: it has more.
        IndexError: the bytes end within it.
    """
    value = 0
    for place in range(most):
        byte = raw[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < _CONTINUES:
            return value, at + place + 1
    raise NotAMessage("a number in it has too many bytes")
