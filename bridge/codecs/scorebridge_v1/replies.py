"""Writes outcomes as scorebridge.v1 replies; see `bridge.codecs.protobuf` for why their bytes are written by hand."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Call, Outcome, Range
from bridge.codecs.protobuf import VARINT, delimited, duration, tag, varint
from bridge.columns import Column, Type, all_missing, concatenate
from bridge.errors import BridgeError, DefaultReason
from bridge.looked_up import LookedUp, LookupResult

__all__ = [
    "defaulted_rows",
    "failed_rows",
    "lookup_of",
    "lookups_of",
    "scores_of",
    "source_of",
    "write_column",
    "write_reply",
]

_NANOS = 10**9

_ARRAY_TAGS = {
    Type.DOUBLE: tag(pb.Column.DOUBLES_FIELD_NUMBER),
    Type.FLOAT: tag(pb.Column.FLOATS_FIELD_NUMBER),
    Type.INT: tag(pb.Column.INT32S_FIELD_NUMBER),
    Type.INT64: tag(pb.Column.INT64S_FIELD_NUMBER),
    Type.BOOL: tag(pb.Column.BOOLS_FIELD_NUMBER),
}
_VALUES = tag(pb.DoubleArray.VALUES_FIELD_NUMBER)  # of every array message
_NAME = tag(pb.Column.NAME_FIELD_NUMBER)
_REQUEST_ID = tag(pb.ScoreResponse.REQUEST_ID_FIELD_NUMBER)
_SCORES = tag(pb.ScoreResponse.SCORES_FIELD_NUMBER)
_SOURCE = tag(pb.ScoreResponse.SOURCE_FIELD_NUMBER, VARINT)
_ATTEMPTS = tag(pb.ScoreResponse.ATTEMPTS_FIELD_NUMBER, VARINT)
_QUEUE_TIME = tag(pb.ScoreResponse.QUEUE_TIME_FIELD_NUMBER)
_BACKEND_TIME = tag(pb.ScoreResponse.BACKEND_TIME_FIELD_NUMBER)


def write_reply(call: Call, outcome: Outcome) -> bytes:
    """Returns the bytes of the ScoreResponse to a call whose outcome does not fail it."""
    model, trace = call.model, call.trace
    parts = [_version(model.model, model.version, model.digest), delimited(_REQUEST_ID, call.request_id.encode())]
    parts += [delimited(_SCORES, write_column(column)) for column in scores_of(outcome)]
    parts += [
        _SOURCE + varint(source_of(outcome)) + _ATTEMPTS + varint(trace.attempts),
        duration(_QUEUE_TIME, trace.queue_s),
        duration(_BACKEND_TIME, trace.backend_s),
    ]
    if defaulted := defaulted_rows(outcome):
        parts.append(pb.ScoreResponse(defaulted_rows=defaulted).SerializeToString())
    if outcome.partial:
        parts.append(pb.ScoreResponse(failed_rows=failed_rows(outcome)).SerializeToString())
    if call.looked_up is not None:
        parts.append(pb.ScoreResponse(lookups=lookups_of(call.looked_up)).SerializeToString())
    return b"".join(parts)


@lru_cache(maxsize=256)
def _version(model: str, version: int, digest: str) -> bytes:
    return pb.ScoreResponse(model=model, version=version, digest=digest).SerializeToString()


def scores_of(outcome: Outcome) -> Sequence[Column]:
    """Returns the outputs of an outcome that does not fail its call, each with an entry for every row."""
    if len(outcome.ranges) == 1:
        return outcome.ranges[0].scores
    parts = [part.scores for part in outcome.ranges]
    if outcome.partial:
        # The outputs may not have been known before, so failed rows get those of the rows with scores.
        known = next(columns for columns in parts if columns)
        counts = {part.count for part in outcome.ranges if part.failed}
        missing = {rows: tuple(all_missing(one.name, one.type, rows) for one in known) for rows in counts}
        parts = [part.scores or missing[part.count] for part in outcome.ranges]
    return [concatenate(columns) for columns in zip(*parts, strict=True)]


def write_column(column: Column) -> bytes:
    """Returns the bytes of a Column message."""
    written = _name(column.name) + _array(column)
    if column.any_missing():
        written += pb.Column(missing_rows=np.flatnonzero(column.missing()).tolist()).SerializeToString()
    return written


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    return delimited(_NAME, name.encode())


def _array(column: Column) -> bytes:
    if column.type is Type.STRING:
        texts: Any = column.values.tolist()
        return pb.Column(strings=pb.StringArray(values=texts)).SerializeToString()
    # A packed field of fixed width is on the wire what it is in the memory of a little-endian machine.
    raw = column.values.tobytes()
    packed = _VALUES + varint(len(raw)) + raw if raw else b""
    return delimited(_ARRAY_TAGS[column.type], packed)


def source_of(outcome: Outcome) -> pb.ScoreSource:
    """Returns where the scores of an outcome come from: MODEL, DEFAULT or MIXED."""
    if outcome.partial:
        return pb.SCORE_SOURCE_MIXED
    if len(outcome.ranges) == 1:
        return pb.SCORE_SOURCE_DEFAULT if outcome.ranges[0].defaulted else pb.SCORE_SOURCE_MODEL
    defaulted = {part.defaulted for part in outcome.ranges}
    if defaulted == {True}:
        return pb.SCORE_SOURCE_DEFAULT
    return pb.SCORE_SOURCE_MIXED if True in defaulted else pb.SCORE_SOURCE_MODEL


def defaulted_rows(outcome: Outcome) -> list[pb.DefaultedRows]:
    """Returns the ranges of an outcome that have default scores, as messages."""
    return [
        pb.DefaultedRows(**_told(part, part.error, part.error.default_reason))
        for part in outcome.ranges
        if part.error is not None and part.defaulted
    ]


def failed_rows(outcome: Outcome) -> list[pb.FailedRows]:
    """Returns the failed ranges of a partial outcome, as messages."""
    return [
        pb.FailedRows(**_told(part, part.error, part.error.failed_reason))
        for part in outcome.ranges
        if part.error is not None and part.failed
    ]


def lookups_of(looked_up: LookedUp) -> list[pb.Lookup]:
    """Returns what was looked up for a call as messages, one for each lookup."""
    return [lookup_of(result) for result in looked_up.results]


def lookup_of(result: LookupResult) -> pb.Lookup:
    """Returns what one lookup gave as a message."""
    message = pb.Lookup(
        name=result.name,
        group=result.group,
        batch=result.batch,
        previous_rows=len(result.previous_rows),
        missing_rows=len(result.missing_rows),
        failure=None if result.failure is None else f"DEFAULT_REASON_{result.failure}",
    )
    if result.age_s is not None:
        message.age.FromNanoseconds(round(result.age_s * _NANOS))
    return message


def _told(part: Range, error: BridgeError, reason: DefaultReason | None) -> dict[str, Any]:
    return {"first": part.first, "count": part.count, "reason": f"DEFAULT_REASON_{reason}", "detail": str(error)}
