"""Reads the requests and responses on record, whichever wire they came by, as messages of scorebridge.v1."""

from collections.abc import Callable
from typing import NamedTuple

from google.protobuf.message import DecodeError
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.json.logged import is_json_score, read_logged_answer, read_logged_body
from bridge.codecs.open_inference.logged import asked_outputs, is_infer, read_logged_request, read_logged_response
from bridge.codecs.scorebridge_v1.replies import write_column
from bridge.codecs.scorebridge_v1.requests import parse_request, read_batch
from bridge.columns import Matrix
from bridge.errors import InvalidRequest
from bridge.features.extras import drop_columns

__all__ = ["asked_outputs_of", "request_of", "response_of", "scored_request_of", "scores"]


class _Reader(NamedTuple):
    """How the records of one wire are read.

    Attributes:
        request: returns the request of a record as a ScoreRequest.
        response: returns the response of a record as a ScoreResponse.
    """

    request: Callable[[log_pb.LogRecord], pb.ScoreRequest]
    response: Callable[[log_pb.LogRecord], pb.ScoreResponse]


def _read_response(record: log_pb.LogRecord) -> pb.ScoreResponse:
    try:
        return pb.ScoreResponse.FromString(record.response)
    except DecodeError as error:
        raise InvalidRequest("the response on record is not a scorebridge.v1.ScoreResponse") from error


def _of_scorebridge_v1(method: str) -> bool:
    return method.startswith("/") and method.endswith("/Score")


# Whether a method belongs to a wire, and how its records are read.
_READERS: list[tuple[Callable[[str], bool], _Reader]] = [
    (_of_scorebridge_v1, _Reader(lambda record: parse_request(record.request), _read_response)),
    (is_json_score, _Reader(read_logged_body, read_logged_answer)),
    (is_infer, _Reader(read_logged_request, read_logged_response)),
]


def scores(record: log_pb.LogRecord) -> bool:
    """Whether a record is of a method that scores, on a wire that is known here."""
    return _reader_of(record.method) is not None


def asked_outputs_of(record: log_pb.LogRecord) -> frozenset[str]:
    """Returns the names of the outputs that the request on record asked for; empty for all of them.

    Raises:
        InvalidRequest: the bytes are not a request of the record's wire.
    """
    return frozenset(asked_outputs(record)) if is_infer(record.method) else frozenset()


def request_of(record: log_pb.LogRecord) -> pb.ScoreRequest:
    """Returns the request on record, which must be whole, as a message of scorebridge.v1.

    Raises:
        InvalidRequest: the bytes are not a request of the record's wire, or the wire is not known here.
    """
    return _require(record).request(record)


def scored_request_of(record: log_pb.LogRecord) -> pb.ScoreRequest:
    """Returns the request on record, which must be whole, as the model got it.

    It lacks the columns that were ignored or only keys, and has those that were looked up or combined behind the
    others. Of a call with lookups or keys it is a table, also if a matrix was sent, whose columns are then doubles or
    floats. Where every column was a key and nothing could be looked up, no column is left.

    Raises:
        InvalidRequest: the bytes are not a request of the record's wire, the wire is not known here, a column is on
            record that the request does not have, or a column was looked up beside one of its name or without names.
    """
    request = request_of(record)
    drop_columns(request, {*record.ignored_columns, *record.key_columns})
    if not (record.lookups or record.key_columns or record.looked_up):
        return request
    if request.WhichOneof("features") == "matrix":
        _make_table(request)
    sent = {column.name for column in request.table.columns}
    for column in record.looked_up:
        if column.name in sent:
            raise InvalidRequest(f"column '{column.name}' is on record as looked up, but the request has it too")
    request.table.columns.extend(record.looked_up)
    return request


def _make_table(request: pb.ScoreRequest) -> None:
    batch = read_batch(request)
    if not isinstance(batch, Matrix):
        return
    if not batch.names and batch.values.shape[1]:
        raise InvalidRequest("features are on record as looked up, but the request's columns have no names")
    request.table.SetInParent()  # which lets go of the matrix
    columns = batch.table(batch.names).columns
    request.table.columns.extend(pb.Column.FromString(write_column(column)) for column in columns)


def response_of(record: log_pb.LogRecord) -> pb.ScoreResponse:
    """Returns the response on record as a message of scorebridge.v1; an empty one if there is none on record.

    Raises:
        InvalidRequest: the bytes are not a response of the record's wire, or the wire is not known here.
    """
    return _require(record).response(record) if record.response else pb.ScoreResponse()


def _require(record: log_pb.LogRecord) -> _Reader:
    if (reader := _reader_of(record.method)) is None:
        raise InvalidRequest("the method on record is none that scores, or of a wire that this version does not know")
    return reader


def _reader_of(method: str) -> _Reader | None:
    return next((reader for belongs, reader in _READERS if belongs(method)), None)
