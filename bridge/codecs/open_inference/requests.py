"""Reads ModelInferRequests; `bridge.codecs.open_inference.replies` writes the answers."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError

from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.open_inference.batches import build_batch, place_in
from bridge.codecs.open_inference.bounds import UNREADABLE
from bridge.codecs.open_inference.datatypes import Datatype
from bridge.codecs.open_inference.inference import Form, Inference, Input, Parameter, Values
from bridge.codecs.open_inference.parameters import number_of_version, read_asking, whether_binary
from bridge.codecs.open_inference.tensors import read_contents, read_raw, shown
from bridge.columns import Batch
from bridge.errors import InvalidRequest

__all__ = ["parse_message", "read_inference", "read_response"]

_Tensor = pb.ModelInferRequest.InferInputTensor | pb.ModelInferResponse.InferOutputTensor


def parse_message(request: bytes) -> pb.ModelInferRequest:
    """Parses the bytes of a ModelInferRequest.

    Raises:
        InvalidRequest: the bytes are not a ModelInferRequest, or a name in them is not UTF-8.
    """
    try:
        return pb.ModelInferRequest.FromString(request)
    except DecodeError as error:
        raise InvalidRequest(f"{UNREADABLE}, or a name in it is not UTF-8") from error


def read_inference(request: pb.ModelInferRequest) -> Inference:
    """Reads what a request asks for; its rows are built later, by the function `batch` of the result.

    Raises:
        InvalidRequest: a parameter, the version or an output is wrong; the message names it.
    """
    asking = read_asking(_parameters("the request", request.parameters))
    raw = bool(request.raw_input_contents)
    return Inference(
        model=request.model_name,
        version=number_of_version(request.model_version),
        request_id=request.id,
        batch=partial(_batch, request, by_column=asking.by_column),
        form=Form(outputs=_checked_outputs(request), raw=raw),
        timeout_s=asking.timeout_s,
        default=asking.default,
        defaults_allowed=asking.defaults_allowed,
    )


def read_response(response: bytes) -> tuple[list[Input], dict[str, Parameter]]:
    """Returns the outputs in the bytes of a ModelInferResponse as tensors that can be read, and its parameters.

    Raises:
        InvalidRequest: the bytes are not a ModelInferResponse.
    """
    try:
        found = pb.ModelInferResponse.FromString(response)
    except DecodeError as error:
        raise InvalidRequest("the bytes are not an inference.ModelInferResponse") from error
    raws: list[bytes | None] = list(found.raw_output_contents) or [None] * len(found.outputs)
    if len(raws) != len(found.outputs):
        raise InvalidRequest(f"{len(raws)} raw_output_contents for {len(found.outputs)} outputs")
    outputs = [_input(one, raw) for one, raw in zip(found.outputs, raws, strict=True)]
    return outputs, _parameters("the response", found.parameters)


def _checked_outputs(request: pb.ModelInferRequest) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for one in request.outputs:
        whether_binary(one.name, _parameters(f"output '{shown(one.name)}'", one.parameters))
        if one.name in names:
            raise InvalidRequest(f"output '{shown(one.name)}' is asked for twice")
        names[one.name] = None
    return tuple(names)


def _batch(request: pb.ModelInferRequest, *, by_column: bool) -> Batch:
    raws: list[bytes | None] = list(request.raw_input_contents)
    if raws:
        for one in request.inputs:
            if one.HasField("contents"):
                raise InvalidRequest(
                    f"tensor '{shown(one.name)}' has contents, and the request has raw_input_contents: send either"
                )
        if len(raws) != len(request.inputs):
            raise InvalidRequest(f"{len(raws)} raw_input_contents for {len(request.inputs)} inputs")
    else:
        raws = [None] * len(request.inputs)
    return build_batch([_input(one, raw) for one, raw in zip(request.inputs, raws, strict=True)], by_column=by_column)


def _input(tensor: _Tensor, raw: bytes | None) -> Input:
    where = f"tensor '{shown(tensor.name)}'"
    parameters = _parameters(where, tensor.parameters) if tensor.parameters else {}
    return Input(tensor.name, tensor.datatype, tuple(tensor.shape), parameters, partial(_values, tensor, raw))


def _values(tensor: _Tensor, raw: bytes | None, datatype: Datatype, count: int, width: int) -> Values:
    place = partial(place_in, width)
    if raw is None:
        return Values(read_contents(tensor.contents, datatype, count, tensor.name, place))
    return Values(read_raw(raw, datatype, count, tensor.name, place))


def _parameters(where: str, parameters: Mapping[str, pb.InferParameter]) -> dict[str, Parameter]:
    read: dict[str, Parameter] = {}
    for name, parameter in parameters.items():
        kind: Any = parameter.WhichOneof("parameter_choice")
        if kind is None:
            raise InvalidRequest(f"{where}: the parameter '{shown(name)}' has no value")
        read[name] = getattr(parameter, kind)
    return read
