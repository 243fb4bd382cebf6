"""Reads logged calls: their inputs, their scores, and one dict for each row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.logged import request_of, response_of
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.columns import Column, Matrix
from bridge.errors import InvalidRequest
from bridge.prediction_log.lookups import columns_of, lookup_columns
from bridge.prediction_log.reasons import reason_name

__all__ = [
    "CANCELLED",
    "INPUT",
    "SCORE",
    "LoggedCall",
    "answered_rows",
    "call_fields",
    "is_cut",
    "marked_rows",
    "read_call",
    "rows_of",
    "time_text",
    "values_of",
]

INPUT, SCORE = "input.", "score."
CANCELLED = 1  # gRPC's status code CANCELLED: the caller has left

_Row = dict[str, Any]
_Message = TypeVar("_Message")


@dataclass(frozen=True, slots=True, eq=False)
class LoggedCall:
    """One record of the log, with its request and response parsed.

    Attributes:
        record: the record as it was logged.
        request: the request; None if its bytes can't be parsed or only their beginning is on record.
        response: the response; None if the call failed.
        inputs: the columns of the request, named f0, f1, ... for a matrix without names; None if they can't be read.
        looked_up: what was looked up for the rows, as `lookup_columns` names it; empty if the rows can't be read.
        scores: the outputs of the response, all of one length; empty if the call failed.
        rows: the number of rows of the request; None if that can't be read.
    """

    record: log_pb.LogRecord
    request: pb.ScoreRequest | None
    response: pb.ScoreResponse | None
    inputs: tuple[Column, ...] | None
    looked_up: tuple[Column, ...]
    scores: tuple[Column, ...]
    rows: int | None

    @property
    def accepted(self) -> bool:
        """Whether the model took the inputs, also if the call failed afterwards."""
        return bool(self.record.version) and self.record.error_reason != InvalidRequest.reason


def read_call(record: log_pb.LogRecord) -> LoggedCall:
    """Parses the request and response in a record; what can't be read is None, and no error is raised."""
    # The beginning of a request may by chance parse as a message, with other rows than were sent.
    request = None if is_cut(record) else _readable(request_of, record)
    response = _readable(response_of, record) if record.status == 0 and request is not None else None
    inputs = _inputs(request)
    scores = () if response is None else columns_of(response.scores)
    rows = len(inputs[0]) if inputs else None
    if scores and rows is None:
        rows = len(scores[0])
    if scores and len(scores[0]) != rows:
        scores = ()
    looked_up = lookup_columns(record, rows) if rows else ()
    return LoggedCall(record, request, response, inputs, looked_up, scores, rows)


def is_cut(record: log_pb.LogRecord) -> bool:
    """Whether the record holds only the beginning of the request."""
    return record.request_bytes > 0


def rows_of(call: LoggedCall) -> Iterator[_Row]:
    """Yields one dict for each row of a call.

    A failed call gives its rows without scores, or one dict without inputs if its rows can't be read or are none. A
    call of zero rows that was answered gives nothing. Every dict has the same keys up to `reason`, then "input.NAME"
    for each input, what was looked up under the names of `lookup_columns`, and "score.NAME" for each output. Missing
    values are None.
    """
    rows = call.rows
    base = call_fields(call)
    if not rows:
        if call.record.status or rows is None:
            yield base
        return
    marks = marked_rows(call, rows)
    keys = call.request.row_keys if call.request is not None else []
    columns = values_of(call)
    for row in range(rows):
        values = dict(base)
        values["row"] = row
        values["row_key"] = keys[row] if len(keys) == rows else None
        if call.record.status == 0:
            values["source"], values["reason"] = marks.get(row, ("MODEL", None))
        for name, entries in columns.items():
            values[name] = entries[row]
        yield values


def values_of(call: LoggedCall) -> dict[str, list[Any]]:
    """Returns the values of a call by the names that `rows_of` gives them, each a list with an entry for each row."""
    columns = {INPUT + column.name: _values(column) for column in call.inputs or ()}
    columns |= {column.name: _values(column) for column in call.looked_up}
    return columns | {SCORE + column.name: _values(column) for column in call.scores}


def answered_rows(record: log_pb.LogRecord) -> int:
    """Returns the number of rows in a call's answer; 0 if the call failed. Reads only the response."""
    response = _readable(response_of, record) if record.status == 0 else None
    if response is None or not response.scores:
        return 0
    kind = response.scores[0].WhichOneof("values")
    return len(getattr(response.scores[0], kind).values) if kind else 0


def time_text(nanoseconds: int) -> str | None:
    """Returns nanoseconds since 1970 as RFC 3339 text in UTC, without loss of digits; None for 0, an unset time."""
    if not nanoseconds:
        return None
    seconds, nanos = divmod(nanoseconds, 10**9)
    return Timestamp(seconds=seconds, nanos=nanos).ToJsonString()


def _readable(read: Callable[[log_pb.LogRecord], _Message], record: log_pb.LogRecord) -> _Message | None:
    try:
        return read(record)
    except InvalidRequest:
        return None


def _inputs(request: pb.ScoreRequest | None) -> tuple[Column, ...] | None:
    if request is None:
        return None
    try:
        batch = read_batch(request)
    except InvalidRequest:
        return None
    if not isinstance(batch, Matrix):
        return batch.columns
    width = int(batch.values.shape[1])
    if width == 0:
        return None  # a matrix without columns may claim any number of rows
    return batch.table(batch.names or [f"f{number}" for number in range(width)]).columns


def call_fields(call: LoggedCall) -> _Row:
    """Returns what a call's rows have in common, by the names that `rows_of` gives it; what is of a row is None."""
    record, request = call.record, call.request
    return {
        "request_id": record.request_id or (request.request_id if request is not None else ""),
        "row": None,
        "row_key": None,
        "batch_id": (request.batch_id if request is not None else "") or None,
        "labels": dict(request.labels) if request is not None else {},
        "caller": record.caller or None,
        "model": record.model or (request.model if request is not None else ""),
        "version": record.version,
        "digest": record.digest or None,
        "received_at": time_text(record.received_ns),
        "total_s": record.total_ns / 1e9,
        "status": record.status,
        "error_reason": record.error_reason or None,
        "cut": is_cut(record),
        "suppressed": record.suppressed,
        "source": None,
        "reason": None,
    }


def marked_rows(call: LoggedCall, rows: int) -> dict[int, tuple[str, str]]:
    """Returns source and reason for each row, by number, that has a default score or no score.

    Args:
        call: the call.
        rows: the number of its rows; what its record says of rows beyond them is left out.
    """
    marked = (("DEFAULT", call.record.defaulted), ("FAILED", call.record.failed))
    return {
        row: (source, reason_name(part.reason))
        for source, parts in marked
        for part in parts
        for row in range(part.first, min(part.first + part.count, rows))
    }


def _values(column: Column) -> list[Any]:
    values: list[Any] = column.values.tolist()
    missing = column.missing()
    if not missing.any():
        return values
    return [None if absent else value for value, absent in zip(values, missing.tolist(), strict=True)]
