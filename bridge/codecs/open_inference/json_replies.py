"""Writes outcomes as infer responses in JSON, with outputs as binary data behind it where that was asked."""

import json
from typing import Any

import numpy as np

from bridge.calls import Call, Outcome
from bridge.codecs.open_inference.datatypes import BY_TYPE
from bridge.codecs.open_inference.inference import Form
from bridge.codecs.open_inference.replies import asked_columns, missing_rows, reply_parameters
from bridge.codecs.open_inference.tensors import shown, write_raw
from bridge.columns import Column
from bridge.errors import InvalidRequest

__all__ = ["write_json_response"]


def write_json_response(call: Call, outcome: Outcome, form: Form) -> tuple[bytes, int]:
    """Returns the body that answers a call, and the length of its JSON text; 0 if nothing is behind it.

    Raises:
        InvalidRequest: the request asks for an output that the model does not have, or for infinite scores as JSON.
    """
    outputs: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for column in asked_columns(outcome, form):
        tensor: dict[str, Any] = {
            "name": column.name,
            "datatype": BY_TYPE[column.type].name,
            "shape": [len(column)],
        }
        parameters: dict[str, Any] = {}
        if missing := missing_rows(column):
            parameters["missing_rows"] = missing
        if form.raw_of.get(column.name, form.raw):
            binary.append(write_raw(column))
            parameters["binary_data_size"] = len(binary[-1])
        else:
            tensor["data"] = _data(column)
        if parameters:
            tensor["parameters"] = parameters
        outputs.append(tensor)
    answer = {
        "model_name": call.model.model,
        "model_version": str(call.model.version),
        "id": call.request_id,
        "parameters": dict(reply_parameters(call, outcome)),
        "outputs": outputs,
    }
    text = json.dumps(answer, allow_nan=False, separators=(",", ":")).encode()
    return b"".join((text, *binary)), len(text) if binary else 0


def _data(column: Column) -> list[Any]:
    """Returns the values of an output for JSON: numbers with the digits that give back their bits, or null."""
    values: list[Any] = column.values.tolist()
    if not column.type.is_floating:
        return values
    if np.isinf(column.values).any():
        raise InvalidRequest(
            f"the output '{shown(column.name)}' has infinite scores, which JSON can't hold; ask for it as binary data"
        )
    if not column.any_missing():
        return values
    return [None if value != value else value for value in values]  # noqa: PLR0124 - only NaN differs from itself
