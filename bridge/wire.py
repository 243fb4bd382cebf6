"""Fields of protobuf messages as bytes, for the messages that every call costs: objects for them cost more than a row.

Fields may come in any order, and those of one message may be written apart, as long as all of them are there (protobuf
encoding guide, "message structure" and "last one wins"). Field numbers come from the generated code.
"""

from scorebridge.arrays import varint

__all__ = ["DELIMITED", "FIXED64", "VARINT", "delimited", "duration", "tag"]

VARINT, FIXED64, DELIMITED = 0, 1, 2
_NANOS = 10**9
_SECONDS_TAG, _NANOS_TAG = b"\x08", b"\x10"  # fields 1 and 2 of google.protobuf.Duration


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
