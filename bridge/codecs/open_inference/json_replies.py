"""Writes outcomes as infer responses in JSON, with outputs as binary data behind it where that was asked."""

import json
from typing import Any

import numpy as np

from bridge.calls import Call, Outcome
from bridge.codecs.open_inference.datatypes import BY_TYPE
from bridge.codecs.open_inference.inference import Form
from bridge.codecs.open_inference.replies import asked_columns, missing_rows, reply_parameters
from bridge.codecs.open_inference.tensors import RUN, shown, write_raw
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
            data[len(outputs)] = _data(column)
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


def _data(column: Column) -> str:
    """Returns the values of an output as a JSON array: numbers with the digits that give back their bits, or null.

    It is written in runs, so that other threads get on.
    """
    if column.type.is_floating and np.isinf(column.values).any():
        raise InvalidRequest(
            f"the output '{shown(column.name)}' has infinite scores, which JSON can't hold; ask for it as binary data"
        )
    runs = (column.slice(first, RUN) for first in range(0, len(column), RUN))
    return f"[{', '.join(json.dumps(_run(run), allow_nan=False)[1:-1] for run in runs)}]"


def _run(column: Column) -> list[Any]:
    values: list[Any] = column.values.tolist()
    if not column.type.is_floating or not column.any_missing():
        return values
    return [None if value != value else value for value in values]  # noqa: PLR0124 - only NaN differs from itself
