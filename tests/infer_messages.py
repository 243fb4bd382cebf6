"""Requests of the Open Inference Protocol, made as its clients make them."""

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.open_inference.json_requests import read_json_inference
from bridge.codecs.open_inference.requests import parse_message, read_inference
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.columns import Batch, Table

__all__ = ["MANY", "add", "add_raw", "batch_of", "json_batch", "json_request", "packed_texts", "table_of"]

MANY = Bounds(columns=16_384, rows=1_000_000)
Parameter = bool | int | str | float


def add(
    request: pb.ModelInferRequest, name: str, datatype: str, shape: Sequence[int], field: str, entries: Sequence[Any]
) -> pb.ModelInferRequest.InferInputTensor:
    """Adds a tensor with typed contents."""
    tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
    getattr(tensor.contents, field).extend(entries)
    return tensor


def add_raw(
    request: pb.ModelInferRequest, name: str, datatype: str, shape: Sequence[int], raw: bytes
) -> pb.ModelInferRequest.InferInputTensor:
    """Adds a tensor with raw contents."""
    request.raw_input_contents.append(raw)
    return request.inputs.add(name=name, datatype=datatype, shape=shape)


def packed_texts(texts: Sequence[bytes]) -> bytes:
    """Texts as tritonclient packs them."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def batch_of(request: pb.ModelInferRequest) -> Batch:
    """The rows that a gateway reads in the request's bytes."""
    return read_inference(parse_message(request.SerializeToString())).batch()


def table_of(request: pb.ModelInferRequest) -> Table:
    batch = batch_of(request)
    assert isinstance(batch, Table)
    return batch


def json_request(name: str, datatype: Any, shape: Any, data: Any, **more: Any) -> bytes:
    """The body of a request with one tensor."""
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": data} | more
    return json.dumps({"inputs": [tensor]}).encode()


def json_batch(body: bytes, json_bytes: int = 0) -> Batch:
    """The rows that a gateway reads in a body."""
    return read_json_inference(body, json_bytes, "m", "", MANY).batch()


def bits(values: np.ndarray[Any, Any]) -> bytes:
    return values.tobytes()
