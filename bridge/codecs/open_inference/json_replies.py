"""Writes outcomes as infer responses in JSON, with outputs as binary data behind it where that was asked."""

import json
from typing import Any

from bridge.calls import Call, Outcome
from bridge.codecs.json.arrays import write_array
from bridge.codecs.open_inference.datatypes import BY_TYPE
from bridge.codecs.open_inference.inference import Form
from bridge.codecs.open_inference.replies import asked_columns, missing_rows, reply_parameters
from bridge.codecs.open_inference.tensors import write_raw

__all__ = ["write_json_response"]


def write_json_response(call: Call, outcome: Outcome, form: Form) -> tuple[bytes, int]:
    """Returns the body that answers a call, and the length of its JSON text; 0 if nothing is behind it.

    Raises:
        InvalidRequest: the request asks for an output that the model does not have, or for infinite scores as JSON.
    """
    outputs: list[dict[str, Any]] = []
    binary: list[bytes] = []
    data: dict[int, str] = {}
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
            data[len(outputs)] = write_array(column, nulls=False)
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
    text = _written(answer, data).encode()
    return b"".join((text, *binary)), len(text) if binary else 0


def _written(answer: dict[str, Any], data: dict[int, str]) -> str:
    """Returns an answer as JSON, with the data of its outputs by the outputs' places."""
    *_, last = answer  # the outputs, whose data was written already
    outputs = [
        json.dumps(one)[:-1] + (f', "data": {data[place]}}}' if place in data else "}")
        for place, one in enumerate(answer.pop(last))
    ]
    return f'{json.dumps(answer)[:-1]}, "{last}": [{", ".join(outputs)}]}}'
