"""The parts of the OpenAPI document that describe the routes of the Open Inference Protocol."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from bridge.codecs.open_inference.datatypes import DATATYPES

__all__ = ["describe_infer", "describe_posted", "describe_ready", "describe_told"]

# A field that is null is as one that is absent.
_PARAMETERS = {"type": ["object", "null"], "additionalProperties": {"type": ["boolean", "number", "string"]}}
_NAMED = {"name": {"type": "string"}, "parameters": _PARAMETERS}


def _object(properties: Mapping[str, Any], required: Sequence[str], *, closed: bool) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": not closed,
    }


def _tensor(*, closed: bool) -> dict[str, Any]:
    properties = _NAMED | {
        "datatype": {"enum": list(DATATYPES)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "data": {"type": "array"},
    }
    return _object(properties, ["name", "datatype", "shape"], closed=closed)


_REQUEST = _object(
    {
        "id": {"type": ["string", "null"]},
        "parameters": _PARAMETERS,
        "inputs": {"type": "array", "items": _tensor(closed=True)},
        "outputs": {"type": ["array", "null"], "items": _object(_NAMED, ["name"], closed=True)},
    },
    ["inputs"],
    closed=True,
)
_RESPONSE = _object(
    {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "parameters": _PARAMETERS,
        "outputs": {"type": "array", "items": _tensor(closed=False)},
    },
    ["model_name", "model_version", "id", "parameters", "outputs"],
    closed=False,
)


def describe_infer() -> Mapping[str, Any]:
    """Returns the description of infer, whose bodies may have binary tensors behind the JSON."""
    binary: dict[str, Any] = {"application/octet-stream": {}}
    return {
        **_operation("Scores one batch, sent as tensors."),
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}} | binary},
        "responses": {"200": _answer("The outputs as tensors.", _RESPONSE, binary)},
    }


def describe_ready(summary: str) -> Mapping[str, Any]:
    """Returns the description of a method that tells by its status whether something is ready."""
    return {
        **_operation(summary),
        "responses": {
            str(status.value): _answer(status.phrase, {"type": "object"}, {"application/problem+json": {}})
            for status in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        },
    }


def describe_told(summary: str, kind: str = "object") -> Mapping[str, Any]:
    """Returns the description of a method that answers JSON; `kind` is "object" or "array"."""
    return {**_operation(summary), "responses": {"200": _answer("The answer.", {"type": kind}, {})}}


def describe_posted(summary: str, properties: Mapping[str, Any], kind: str = "object") -> Mapping[str, Any]:
    """Returns the description of a method of the model repository, whose body is an object or absent."""
    schema = _object(properties, (), closed=True)
    body = {"required": False, "content": {"application/json": {"schema": schema}}}
    return {**describe_told(summary, kind), "requestBody": body}


def _operation(summary: str) -> dict[str, Any]:
    return {"summary": summary, "tags": ["Open Inference Protocol"]}


def _answer(described: str, schema: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": described, "content": {"application/json": {"schema": dict(schema)}, **others}}
