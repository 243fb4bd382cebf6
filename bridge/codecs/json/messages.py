"""Writes messages as protobuf's JSON has them, with the names of the proto and the fields that are not set.

The library does the same, by an option whose name has changed between the releases that we support.
"""

import json
from typing import Any

from google.protobuf.message import Message

__all__ = ["is_repeated", "write_message"]

_WELL_KNOWN = ("google.protobuf.Duration", "google.protobuf.Timestamp")


def write_message(message: Message) -> bytes:
    """Returns a message as JSON; a message or an optional field that is not set is left out."""
    return json.dumps(_fields(message), ensure_ascii=False, separators=(",", ":")).encode()


def is_repeated(field: Any) -> bool:
    """Whether a field, given by its descriptor, is repeated."""
    known = getattr(field, "is_repeated", None)  # older releases of protobuf have a label instead
    return bool(field.label == field.LABEL_REPEATED) if known is None else bool(known)


def _fields(message: Any) -> dict[str, Any]:
    return {
        field.name: _written(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if is_repeated(field) or not field.has_presence or message.HasField(field.name)
    }


def _written(field: Any, value: Any) -> Any:
    if is_repeated(field):
        return [_one(field, one) for one in value]
    return _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    if field.message_type is None:
        return value
    return value.ToJsonString() if field.message_type.full_name in _WELL_KNOWN else _fields(value)
