"""Fields of protobuf messages as bytes, for the messages that every call costs: objects for them cost more than a row.

Fields may come in any order and fields of a message may be written apart from each other, as long as all of them are
there (protobuf encoding guide, "message structure" and "last one wins"). Field numbers come from the generated code.
"""

from collections.abc import Callable

from scorebridge.arrays import varint

__all__ = ["delimited", "duration_writer", "number_writer", "tag", "timestamp_writer"]

_NANOS = 10**9
_VARINT, _DELIMITED = 0, 2
_SECONDS_TAG, _NANOS_TAG = b"\x08", b"\x10"  # fields 1 and 2 of Duration and Timestamp


def tag(number: int, kind: int = _DELIMITED) -> bytes:
    """What a field begins with."""
    return varint(number << 3 | kind)


def delimited(field_tag: bytes, content: bytes) -> bytes:
    """A text, bytes or message field."""
    return field_tag + varint(len(content)) + content


def number_writer(number: int) -> Callable[[int], bytes]:
    """Writes a field of a whole number that is not negative; 0 is not written."""
    field_tag = tag(number, _VARINT)
    return lambda value: field_tag + varint(value) if value else b""


def duration_writer(number: int) -> Callable[[float], bytes]:
    """Writes a google.protobuf.Duration of seconds that are not negative."""
    write = timestamp_writer(number)
    return lambda seconds: write(round(seconds * _NANOS))


def timestamp_writer(number: int) -> Callable[[int], bytes]:
    """Writes a google.protobuf.Timestamp of nanoseconds since 1970; a Duration is written alike."""
    field_tag = tag(number)

    def write(nanoseconds: int) -> bytes:
        seconds, nanos = divmod(nanoseconds, _NANOS)
        content = _NANOS_TAG + varint(nanos) if nanos else b""
        if seconds:
            content = _SECONDS_TAG + varint(seconds) + content
        return field_tag + varint(len(content)) + content

    return write
