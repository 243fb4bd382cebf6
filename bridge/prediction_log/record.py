"""Writes records of the prediction log as bytes; `codecs.protobuf` says why they are written by hand."""

import struct
from functools import lru_cache

from scorebridge.v1 import prediction_log_pb2 as pb
from scorebridge.v1 import scoring_pb2 as scoring_pb

from bridge.calls import Arrival, Call, Outcome, Range
from bridge.codecs.protobuf import FIXED64, VARINT, delimited, tag, varint
from bridge.codecs.scorebridge_v1.replies import lookup_of, write_column
from bridge.codecs.scorebridge_v1.requests import TYPE_NUMBERS
from bridge.columns import Batch, Column, Matrix, Type
from bridge.errors import BridgeError, DefaultReason
from bridge.looked_up import LookedUp, LookupResult

__all__ = ["came_of", "error_of", "record_of", "record_of_call", "times_of"]

_NANOS = 10**9
_REQUEST_ID = tag(pb.LogRecord.REQUEST_ID_FIELD_NUMBER)
_PEER = tag(pb.LogRecord.PEER_FIELD_NUMBER)
_CALLER = tag(pb.LogRecord.CALLER_FIELD_NUMBER)
_ATTEMPTS = tag(pb.LogRecord.ATTEMPTS_FIELD_NUMBER, VARINT)
_RECEIVED = tag(pb.LogRecord.RECEIVED_NS_FIELD_NUMBER, FIXED64)
_TOTAL = tag(pb.LogRecord.TOTAL_NS_FIELD_NUMBER, FIXED64)
_QUEUE = tag(pb.LogRecord.QUEUE_NS_FIELD_NUMBER, FIXED64)
_BACKEND = tag(pb.LogRecord.BACKEND_NS_FIELD_NUMBER, FIXED64)
_LOOKUPS = tag(pb.LogRecord.LOOKUPS_FIELD_NUMBER)
_LOOKED_UP = tag(pb.LogRecord.LOOKED_UP_FIELD_NUMBER)
_OPERANDS = tag(pb.LoggedLookup.OPERANDS_FIELD_NUMBER)
_NAME = tag(scoring_pb.Column.NAME_FIELD_NUMBER)
_VALUES = tag(scoring_pb.DoubleArray.VALUES_FIELD_NUMBER)  # of FloatArray too
_FLOATING = {
    Type.DOUBLE: tag(scoring_pb.Column.DOUBLES_FIELD_NUMBER),
    Type.FLOAT: tag(scoring_pb.Column.FLOATS_FIELD_NUMBER),
}
_TIMES = struct.Struct("<" + "".join(f"{len(one)}sQ" for one in (_RECEIVED, _TOTAL, _QUEUE, _BACKEND)))


def record_of(
    arrival: Arrival, call: Call, outcome: Outcome, engine: str, at: float, *, answer_json_bytes: int = 0
) -> bytes:
    """Returns the record of a call that is answered, without its request and reply; safe to run in any thread.

    Args:
        arrival: how the request came.
        call: the call that was made of it.
        outcome: the outcome of the call.
        engine: the engine that computed the scores, in words.
        at: when the answer was known, in seconds on the loop's clock.
        answer_json_bytes: the length of the JSON with which the answer begins, where binary tensors follow it; else 0.
    """
    record = record_of_call(arrival, call, engine, at) + _defaulted(outcome)
    if answer_json_bytes:
        record += pb.LogRecord(response_json_bytes=answer_json_bytes).SerializeToString()
    return record + _failed(outcome) if outcome.partial else record


@lru_cache(maxsize=1024)
def _about(method: str, model: str, version: int, digest: str, engine: str) -> bytes:
    """Returns the fields of a record that all calls of a version have in common."""
    return pb.LogRecord(method=method, model=model, version=version, digest=digest, engine=engine).SerializeToString()


def came_of(arrival: Arrival) -> bytes:
    """Returns the fields of a record that say from whom a request came, and how to read it."""
    came = _from(arrival.peer, arrival.caller)
    if not arrival.json_bytes:
        return came
    return came + pb.LogRecord(request_json_bytes=arrival.json_bytes).SerializeToString()


@lru_cache(maxsize=1024)
def _from(peer: str, caller: str) -> bytes:
    return delimited(_PEER, peer.encode()) + delimited(_CALLER, caller.encode())


def times_of(received_ns: int, total_s: float, queue_s: float = 0.0, backend_s: float = 0.0) -> bytes:
    """Returns the fields of a record that say when a request came, in nanoseconds, and how long things took."""
    total_ns, queue_ns, backend_ns = int(total_s * _NANOS), int(queue_s * _NANOS), int(backend_s * _NANOS)
    return _TIMES.pack(_RECEIVED, received_ns, _TOTAL, total_ns, _QUEUE, queue_ns, _BACKEND, backend_ns)


def record_of_call(arrival: Arrival, call: Call, engine: str, at: float, *, whole: bool = True) -> bytes:
    """Returns the fields of a record that every call has, whatever its outcome.

    Args:
        arrival: how the request came.
        call: the call that was made of it.
        engine: the engine of the version, in words.
        at: when the outcome was known, in seconds on the loop's clock.
        whole: whether looked-up values, and the numbers of rows without them, are kept; if not, only what each lookup
            gave in short, as of a refused call, which may not take more of the disk than its caller sent.
    """
    model, trace = call.model, call.trace
    request_id = call.request_id.encode()
    return b"".join(
        (
            _about(arrival.method, model.model, model.version, model.digest, engine),
            came_of(arrival),
            times_of(arrival.received_ns, at - call.arrived, trace.queue_s, trace.backend_s),
            _REQUEST_ID + varint(len(request_id)) + request_id + _ATTEMPTS + varint(trace.attempts),
            _kept_types(call.batch),
            _ignored(call.ignored),
            b"" if call.looked_up is None else _looked_up(call.looked_up, whole=whole),
        )
    )


def _kept_types(batch: Batch) -> bytes:
    if isinstance(batch, Matrix) or not batch.kept_types:
        return b""
    types = {place: TYPE_NUMBERS[kind] for place, kind in batch.kept_types.items()}
    return pb.LogRecord(kept_types=types).SerializeToString()


def _ignored(places: tuple[int, ...]) -> bytes:
    return pb.LogRecord(ignored_columns=places).SerializeToString() if places else b""


def _looked_up(found: LookedUp, *, whole: bool) -> bytes:
    parts = [delimited(_LOOKUPS, _lookup(result, whole=whole)) for result in found.results]
    if whole:
        parts += [delimited(_LOOKED_UP, _column(column)) for column in found.columns]
    if found.keys:
        parts.append(pb.LogRecord(key_columns=found.keys).SerializeToString())
    return b"".join(parts)


def _lookup(result: LookupResult, *, whole: bool) -> bytes:
    told = lookup_of(result)
    logged = pb.LoggedLookup(
        lookup=told, store=result.store, previous_batch=result.previous_batch, detail=result.detail
    )
    if not whole:
        return logged.SerializeToString()
    logged.previous_rows.extend(result.previous_rows.tolist())
    logged.missing_rows.extend(result.missing_rows.tolist())
    operands = (delimited(_OPERANDS, _column(column)) for column in result.operands)
    return logged.SerializeToString() + b"".join(operands)


def _column(column: Column) -> bytes:
    if not column.type.is_floating:
        return write_column(column)
    # NaN says that a row is missing. To list these rows too takes longer than all else, where a store has no rows.
    raw = column.values.tobytes()
    values = delimited(_VALUES, raw) if raw else b""
    return delimited(_NAME, column.name.encode()) + delimited(_FLOATING[column.type], values)


def error_of(error: BridgeError, status: int) -> bytes:
    """Returns the fields of a record that say why a call failed; `status` is the number of its gRPC status code."""
    return pb.LogRecord(
        status=status,
        error_reason=error.reason,
        error_message=str(error),
        private_detail=error.private,
        condition_class=error.condition_class,
    ).SerializeToString()


def _defaulted(outcome: Outcome) -> bytes:
    ranges = [
        _range(part, part.error, part.error.default_reason)
        for part in outcome.ranges
        if part.error is not None and part.defaulted
    ]
    return pb.LogRecord(defaulted=ranges).SerializeToString() if ranges else b""


def _failed(outcome: Outcome) -> bytes:
    ranges = [
        _range(part, part.error, part.error.failed_reason)
        for part in outcome.ranges
        if part.error is not None and part.failed
    ]
    return pb.LogRecord(failed=ranges).SerializeToString()


def _range(part: Range, error: BridgeError, reason: DefaultReason | None) -> pb.LoggedRange:
    return pb.LoggedRange(
        first=part.first,
        count=part.count,
        reason=f"DEFAULT_REASON_{reason}",
        private_detail=error.private,
        condition_class=error.condition_class,
    )
