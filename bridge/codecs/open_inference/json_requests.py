"""Reads infer requests in JSON, with tensors as binary data behind it; `json_replies` writes the answers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bridge.codecs.open_inference.batches import build_batch, place_in
from bridge.codecs.open_inference.datatypes import Datatype
from bridge.codecs.open_inference.inference import Form, Inference, Input, Parameter, Values
from bridge.codecs.open_inference.json_text import read_object
from bridge.codecs.open_inference.json_values import read_values
from bridge.codecs.open_inference.parameters import number_of_version, read_asking, whether_binary
from bridge.codecs.open_inference.tensors import read_raw, shown
from bridge.codecs.scorebridge_v1.bounds import Bounds, check_text, too_many
from bridge.columns import Batch
from bridge.errors import InvalidRequest

__all__ = ["read_json_answer", "read_json_inference"]

_MOST_PARAMETERS = 64
_SIZE = "binary_data_size"
_UNBOUNDED = Bounds(columns=1 << 31, rows=1 << 31)  # of an answer: it is our own


def read_json_inference(body: bytes, json_bytes: int, model: str, version: str, bounds: Bounds) -> Inference:
    """Reads what the body of an infer request asks for; its rows are built by the function `batch` of the result.

    Args:
        body: the JSON text, and behind it the binary data of tensors.
        json_bytes: the length of the JSON text; 0 if there is nothing behind it.
        model: the name of the model, from the request's path.
        version: the version as text, from the request's path; empty for the one that serves.
        bounds: how much the request may hold.

    Raises:
        InvalidRequest: the body is not such a request, or holds more than allowed.
    """
    text, binary = _parts(body, json_bytes)
    found = read_object(text, bounds)
    _refuse_unknown("the request", found, ("id", "parameters", "inputs", "outputs"))
    asking = read_asking(_parameters("the request", found.get("parameters")))
    outputs = _objects("outputs", found.get("outputs"), bounds.columns)
    tensors = [_tensor(one) for one in _objects("inputs", found.get("inputs"), bounds.columns)]
    raw_of = _asked_outputs(outputs)
    return Inference(
        model=model,
        version=number_of_version(version),
        request_id=_text("id", found["id"]) if found.get("id") is not None else "",
        batch=partial(_batch, tensors, binary, by_column=asking.by_column),
        form=_form(raw_of, raw=asking.binary),
        timeout_s=asking.timeout_s,
        default=asking.default,
        defaults_allowed=asking.defaults_allowed,
    )


def read_json_answer(body: bytes, json_bytes: int) -> tuple[list[Input], dict[str, Parameter]]:
    """Returns the outputs in the body of an infer response as tensors that can be read, and its parameters.

    Args:
        body: the JSON text, and behind it the binary data of tensors.
        json_bytes: the length of the JSON text; 0 if there is nothing behind it.

    Raises:
        InvalidRequest: the body is not such a response.
    """
    text, binary = _parts(body, json_bytes)
    found = read_object(text, _UNBOUNDED)
    tensors = [_tensor(one) for one in _objects("outputs", found.get("outputs"), _UNBOUNDED.columns)]
    return _placed(tensors, binary), _parameters("the response", found.get("parameters"))


def _parts(body: bytes, json_bytes: int) -> tuple[bytes, memoryview]:
    """Returns the JSON text of a body, and the binary data behind it."""
    if json_bytes > len(body):
        raise InvalidRequest(f"Inference-Header-Content-Length is {json_bytes}; the body has {len(body)} bytes")
    text = body[:json_bytes] if json_bytes else body
    return text, memoryview(body)[len(text) :]


def _form(raw_of: Mapping[str, bool | None], *, raw: bool) -> Form:
    told = {name: one for name, one in raw_of.items() if one is not None}
    return Form(outputs=tuple(raw_of), raw=raw, raw_of=told)


def _batch(tensors: Sequence[Mapping[str, Any]], binary: memoryview, *, by_column: bool) -> Batch:
    return build_batch(_placed(tensors, binary), by_column=by_column)


def _placed(tensors: Sequence[Mapping[str, Any]], binary: memoryview) -> list[Input]:
    """Returns the inputs, each with its part of the binary data."""
    inputs, at = [], 0
    for tensor in tensors:
        name, parameters = tensor["name"], tensor["parameters"]
        if (size := parameters.get(_SIZE)) is not None:
            if isinstance(size, bool) or not isinstance(size, int) or size < 0:
                raise InvalidRequest(f"tensor '{shown(name)}': {_SIZE} must be a whole number, at least 0")
            if "data" in tensor:
                raise InvalidRequest(f"tensor '{shown(name)}' has both data and {_SIZE}: send either")
            if at + size > len(binary):
                raise InvalidRequest(
                    f"tensor '{shown(name)}': its {_SIZE} of {size} bytes ends behind the body's binary data"
                )
            read, at = partial(_raw_values, name, binary[at : at + size]), at + size
        elif "data" in tensor:
            read = partial(read_values, name, tensor["data"])
        else:
            raise InvalidRequest(f"tensor '{shown(name)}' has neither data nor {_SIZE}")
        inputs.append(Input(name, tensor["datatype"], tensor["shape"], parameters, read))
    if at != len(binary):
        raise InvalidRequest(f"{len(binary) - at} bytes behind the JSON belong to no tensor")
    return inputs


def _raw_values(name: str, raw: memoryview, datatype: Datatype, count: int, width: int) -> Values:
    return Values(read_raw(raw, datatype, count, name, partial(place_in, width)))


def _tensor(found: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of an input with their types checked; `data` only if the request has it."""
    name = _text("the name of an input", found.get("name"))
    where = f"tensor '{shown(name)}'"
    _refuse_unknown(where, found, ("name", "datatype", "shape", "parameters", "data"))
    shape = found.get("shape")
    if not isinstance(shape, list):
        raise InvalidRequest(f"{where}: its shape must be an array of whole numbers")
    checked: dict[str, Any] = {
        "name": name,
        "datatype": found.get("datatype"),
        "shape": tuple(shape),
        "parameters": _parameters(where, found.get("parameters")),
    }
    if found.get("data") is not None:
        checked["data"] = found["data"]
    return checked


def _asked_outputs(outputs: Sequence[Mapping[str, Any]]) -> dict[str, bool | None]:
    asked: dict[str, bool | None] = {}
    for one in outputs:
        name = _text("the name of an output", one.get("name"))
        where = f"output '{shown(name)}'"
        _refuse_unknown(where, one, ("name", "parameters"))
        if name in asked:
            raise InvalidRequest(f"{where} is asked for twice")
        asked[name] = whether_binary(name, _parameters(where, one.get("parameters")))
    return asked


def _objects(field: str, found: Any, most: int) -> list[dict[str, Any]]:
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidRequest(f"{field} must be an array of objects")
    if len(found) > most:
        raise too_many(field, most)
    return found


def _parameters(where: str, found: Any) -> dict[str, Parameter]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidRequest(f"{where}: parameters must be an object")
    if len(found) > _MOST_PARAMETERS:
        raise too_many("parameters of one tensor or of the request", _MOST_PARAMETERS)
    # MLServer sends its own parameters as null where they are not set, and headers as an object, which means nothing.
    read = {name: one for name, one in found.items() if one is not None and name != "headers"}
    for name, one in read.items():
        if not isinstance(one, bool | int | float | str):
            raise InvalidRequest(f"{where}: the parameter '{shown(name)}' must be a number, a text, true or false")
    return read


def _text(what: str, found: Any) -> str:
    if not isinstance(found, str):
        raise InvalidRequest(f"{what} must be a text")
    try:
        check_text(what, len(found.encode()))
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} holds half a surrogate pair") from None
    return found


def _refuse_unknown(where: str, found: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in found:
        if name not in known:
            raise InvalidRequest(f"{where} has a field '{shown(name)}'; known are {', '.join(known)}")
