"""Reads calls of the Open Inference Protocol on record as messages of scorebridge.v1."""

from collections.abc import Mapping, Sequence

from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2

from bridge.codecs.open_inference.batches import build_columns
from bridge.codecs.open_inference.inference import Inference, Input
from bridge.codecs.open_inference.json_requests import read_json_answer, read_json_inference
from bridge.codecs.open_inference.requests import parse_message, read_inference, read_response
from bridge.codecs.protobuf import delimited, tag
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.codecs.scorebridge_v1.replies import write_column
from bridge.columns import Batch, Column, Matrix
from bridge.errors import InvalidRequest

__all__ = ["asked_outputs", "is_infer", "read_logged_request", "read_logged_response"]

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_HTTP, _PATH, _END = "POST", "/v2/models/", "/infer"
_UNBOUNDED = Bounds(columns=1 << 31, rows=1 << 31)  # it was bounded when it was answered
_VALUES = tag(scoring_pb2.DoubleArray.VALUES_FIELD_NUMBER)
_SOURCE = "SCORE_SOURCE_"


def is_infer(method: str) -> bool:
    """Whether the method on record is that of an infer request, over gRPC or HTTP."""
    verb, _, path = method.partition(" ")
    return method == _INFER or (verb == _HTTP and path.startswith(_PATH) and path.endswith(_END))


def asked_outputs(record: log_pb.LogRecord) -> tuple[str, ...]:
    """Returns the names of the outputs that the request on record asked for; empty for all of them.

    Raises:
        InvalidRequest: the bytes are not an infer request.
    """
    return _inference(record).form.outputs


def read_logged_request(record: log_pb.LogRecord) -> scoring_pb2.ScoreRequest:
    """Returns the request on record as a ScoreRequest.

    Raises:
        InvalidRequest: the bytes are not an infer request, or its rows can't be read.
    """
    inference = _inference(record)
    request = scoring_pb2.ScoreRequest(
        request_id=inference.request_id, model=inference.model, version=inference.version
    )
    if inference.default is not None:
        request.default_score = inference.default
    if not inference.defaults_allowed:
        request.default_policy = scoring_pb2.DEFAULT_POLICY_NEVER
    _add_rows(request, inference.batch())
    return request


def read_logged_response(record: log_pb.LogRecord) -> scoring_pb2.ScoreResponse:
    """Returns the response on record as a ScoreResponse; its default scores have the reasons that are on record.

    Raises:
        InvalidRequest: the bytes are not an infer response.
    """
    if record.method == _INFER:
        outputs, parameters = read_response(record.response)
    else:
        outputs, parameters = read_json_answer(record.response, int(record.response_json_bytes))
    response = scoring_pb2.ScoreResponse(
        request_id=record.request_id,
        model=record.model,
        version=record.version,
        digest=record.digest,
        source=_source(parameters),
        attempts=record.attempts,
        scores=[_message(column) for column in _columns(outputs)],
    )
    response.queue_time.FromNanoseconds(record.queue_ns)
    response.backend_time.FromNanoseconds(record.backend_ns)
    for part in record.defaulted:
        response.defaulted_rows.add(first=part.first, count=part.count, reason=part.reason)
    return response


def _inference(record: log_pb.LogRecord) -> Inference:
    if record.method == _INFER:
        return read_inference(parse_message(record.request))
    before = f"{_HTTP} {_PATH}{record.model}/versions/"
    version = record.method.removeprefix(before).removesuffix(_END) if record.method.startswith(before) else ""
    json_bytes = int(record.request_json_bytes)
    return read_json_inference(record.request, json_bytes, record.model, version, _UNBOUNDED)


def _source(parameters: Mapping[str, object]) -> scoring_pb2.ScoreSource:
    name = f"{_SOURCE}{parameters.get('score_source')}"
    if name not in scoring_pb2.ScoreSource.keys():  # noqa: SIM118 - an enum of protobuf is no container
        raise InvalidRequest("the response on record has no score_source that is known here")
    known: scoring_pb2.ScoreSource = getattr(scoring_pb2, name)
    return known


def _columns(outputs: Sequence[Input]) -> Sequence[Column]:
    return build_columns(outputs) if outputs else ()


def _message(column: Column) -> scoring_pb2.Column:
    return scoring_pb2.Column.FromString(write_column(column))


def _add_rows(request: scoring_pb2.ScoreRequest, batch: Batch) -> None:
    if not isinstance(batch, Matrix):
        request.table.columns.extend(_message(column) for column in batch.columns)
        return
    request.matrix.columns.extend(batch.names)
    request.matrix.rows = batch.rows
    raw = batch.values.tobytes()
    packed = delimited(_VALUES, raw) if raw else b""
    floats = batch.values.dtype.itemsize == 4  # noqa: PLR2004 - float32
    field = request.matrix.floats if floats else request.matrix.doubles
    field.SetInParent()
    field.MergeFromString(packed)
