"""Writes records of the prediction log as bytes; `codecs.protobuf` says why they are written by hand."""

import struct
from functools import lru_cache

from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.calls import Arrival, Call, Outcome, Range
from bridge.codecs.protobuf import FIXED64, VARINT, delimited, tag, varint
from bridge.codecs.scorebridge_v1.requests import TYPE_NUMBERS
from bridge.columns import Batch, Matrix
from bridge.errors import BridgeError, DefaultReason

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


def record_of_call(arrival: Arrival, call: Call, engine: str, at: float) -> bytes:
    """Returns the fields of a record that every call has, whatever its outcome; the arguments are `record_of`'s."""
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
        )
    )


def _kept_types(batch: Batch) -> bytes:
    if isinstance(batch, Matrix) or not batch.kept_types:
        return b""
    types = {place: TYPE_NUMBERS[kind] for place, kind in batch.kept_types.items()}
    return pb.LogRecord(kept_types=types).SerializeToString()


def _ignored(places: tuple[int, ...]) -> bytes:
    return pb.LogRecord(ignored_columns=places).SerializeToString() if places else b""


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
