"""Reads the requests and answers of the HTTP/JSON wire on record as messages of scorebridge.v1."""

import re

from google.protobuf.json_format import ParseDict, ParseError
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.json.columns import read_columns
from bridge.codecs.json.documents import Members, read_document
from bridge.codecs.json.requests import read_body
from bridge.codecs.json.runs import Shape
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.codecs.scorebridge_v1.replies import write_column
from bridge.errors import InvalidRequest

__all__ = ["is_json_score", "read_logged_answer", "read_logged_body"]

_METHOD = re.compile(r"POST /v1/models/([^/]+?)(?:/versions/([0-9]+))?:score")
_MOST = 1 << 31  # what is on record was within the bounds of its day
_DEPTH = 4
_SHAPE = Shape(_MOST, _MOST, _MOST, _DEPTH)


def is_json_score(method: str) -> bool:
    """Whether a method on record is one that scores by JSON."""
    return _METHOD.fullmatch(method) is not None


def read_logged_body(record: log_pb.LogRecord) -> pb.ScoreRequest:
    """Returns the request on record as a message.

    Raises:
        InvalidRequest: its body is not one of this wire.
    """
    found = _METHOD.fullmatch(record.method)
    body = read_body(record.request, Bounds(_MOST, _MOST))
    request = pb.ScoreRequest(
        request_id=body.request_id,
        model=found.group(1) if found else record.model,
        version=int(found.group(2) or 0) if found else record.version,
        row_keys=body.row_keys,
        batch_id=body.batch_id,
        labels=body.labels,
        partial=body.partial,
        ignore_extra=body.ignore_extra,
        default_policy=body.default_policy,
    )
    if body.default_score is not None:
        request.default_score = body.default_score
    request.table.columns.extend(pb.Column.FromString(write_column(column)) for column in body.table().columns)
    return request


def read_logged_answer(record: log_pb.LogRecord) -> pb.ScoreResponse:
    """Returns the answer on record as a message; its floats are doubles of the same value.

    Raises:
        InvalidRequest: it is not an answer of this wire.
    """
    document = read_document(record.response, _SHAPE)
    fields = document.value
    if not isinstance(fields, Members):
        raise InvalidRequest("the response on record is not an object")
    given = dict(zip(*fields, strict=True))
    scores = given.pop("scores", None)
    response = pb.ScoreResponse()
    try:
        ParseDict({name: _plain(value) for name, value in given.items()}, response)
    except ParseError as error:
        raise InvalidRequest("the response on record is not one of this wire") from error
    if isinstance(scores, Members) and scores.names:
        table = read_columns(scores, escaped=document.escaped)
        response.scores.extend(pb.Column.FromString(write_column(column)) for column in table.columns)
    return response


def _plain(value: object) -> object:
    if isinstance(value, Members):
        return {name: _plain(one) for name, one in zip(*value, strict=True)}
    return [_plain(one) for one in value] if isinstance(value, list) else value
