"""JSON Schemas of the HTTP/JSON wire, made from the messages of scorebridge.v1 that its bodies mirror."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.json.messages import is_repeated
from bridge.codecs.json.requests import FIELDS

__all__ = ["reference", "schemas"]

_VALUE = {"type": ["number", "boolean", "string", "null"]}
_BY_COLUMN = {"type": "object", "additionalProperties": {"type": "array", "items": _VALUE}}
_COLUMNS = {
    "type": ["object", "null"],
    "description": "The rows as columns: an array with a value a row for each name.",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1, "items": _VALUE},
}
_ROWS = {
    "type": ["array", "null"],
    "description": "The rows as objects, which must all have the same names.",
    "minItems": 1,
    "items": {"type": "object", "minProperties": 1, "additionalProperties": _VALUE},
}
_PROBLEM = {
    "type": "object",
    "description": "A problem document of RFC 9457.",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, in a sentence; never holds input values."},
        "reason": {"type": "string", "description": "The UPPER_SNAKE name of the event, as in gRPC's errors."},
        "error": {"type": "string", "description": "The detail once more, for clients that read this name."},
        "model": {"type": "string"},
        "version": {"type": "integer"},
        "limit": {"type": "string", "description": "The limit that was passed."},
        "request_id": {"type": "string"},
    },
}
# Well-known messages have a form of their own in JSON.
_WELL_KNOWN = {
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}
_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0},
}


def reference(name: str) -> dict[str, str]:
    """Returns a reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> dict[str, Any]:
    """Returns all schemas, by name."""
    found: dict[str, Any] = {"ScoreRequest": _score_request(), "Problem": _PROBLEM}
    waiting: list[Any] = [
        message.DESCRIPTOR for message in (pb.ScoreResponse, pb.ListModelsResponse, pb.GetModelResponse)
    ]
    while waiting:
        message = waiting.pop()
        if message.name in found or message.full_name in _WELL_KNOWN:
            continue
        fields = [field for field in message.fields if (message.name, field.name) != ("ScoreResponse", "scores")]
        found[message.name] = {"type": "object", "properties": _properties(fields)}
        waiting += [field.message_type for field in fields if field.message_type is not None]
    found["ScoreResponse"]["properties"]["scores"] = _BY_COLUMN
    return found


def _score_request() -> dict[str, Any]:
    """Returns the schema of a request: rows in one of two shapes, and the fields of ScoreRequest, which may be null."""
    message = pb.ScoreRequest.DESCRIPTOR
    others = _properties(message.fields_by_name[name] for name in FIELDS if name in message.fields_by_name)
    others["labels"] = {"type": "object", "additionalProperties": {"type": "string"}}
    optional = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in others.items()}
    return {
        "type": "object",
        "properties": {"columns": _COLUMNS, "rows": _ROWS} | optional,
        "additionalProperties": False,
        "oneOf": [
            {"required": [name], "properties": {name: {"type": kind}, other: {"type": "null"}}}
            for name, kind, other in (("columns", "object", "rows"), ("rows", "array", "columns"))
        ],
    }


def _properties(fields: Iterable[Any]) -> dict[str, Any]:
    return {
        field.name: {"type": "array", "items": _schema(field)} if is_repeated(field) else _schema(field)
        for field in fields
    }


def _schema(field: Any) -> dict[str, Any]:
    if field.message_type is not None:
        known = _WELL_KNOWN.get(field.message_type.full_name)
        return known or reference(field.message_type.name)
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return _SCALARS[field.type]
