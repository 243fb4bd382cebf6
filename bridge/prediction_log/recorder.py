"""Makes records of the prediction log from calls and refusals; `codecs.protobuf` says why they are written by hand."""

import asyncio
import hashlib
import struct
import time
from collections.abc import Awaitable
from contextlib import suppress
from functools import lru_cache

from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.calls import Arrival, Call, ModelRef, Outcome, Range, now
from bridge.codecs.protobuf import FIXED64, VARINT, delimited, tag, varint
from bridge.codecs.scorebridge_v1.requests import TYPE_NUMBERS
from bridge.columns import Batch, Matrix
from bridge.errors import BridgeError, DefaultReason, InternalError, LogUnavailable
from bridge.prediction_log.refusals import Refusals
from bridge.prediction_log.rows import CANCELLED
from bridge.prediction_log.writer import PredictionLog

__all__ = ["LogRecorder", "record_of"]

_NANOS = 10**9
_KEPT_BYTES = 4096  # the bytes of a refused request that are put on record
_SOON_HASHED = 64 << 10
_TOLD_S = 1.0  # refusals without a record of their own get one together after this time
_SUPPRESSED = "SUPPRESSED"
_VARIOUS = 2  # gRPC's UNKNOWN: the calls ended with several status codes
_REQUEST_ID = tag(pb.LogRecord.REQUEST_ID_FIELD_NUMBER)
_PEER = tag(pb.LogRecord.PEER_FIELD_NUMBER)
_ATTEMPTS = tag(pb.LogRecord.ATTEMPTS_FIELD_NUMBER, VARINT)
_RECEIVED = tag(pb.LogRecord.RECEIVED_NS_FIELD_NUMBER, FIXED64)
_TOTAL = tag(pb.LogRecord.TOTAL_NS_FIELD_NUMBER, FIXED64)
_QUEUE = tag(pb.LogRecord.QUEUE_NS_FIELD_NUMBER, FIXED64)
_BACKEND = tag(pb.LogRecord.BACKEND_NS_FIELD_NUMBER, FIXED64)
_TIMES = struct.Struct("<" + "".join(f"{len(one)}sQ" for one in (_RECEIVED, _TOTAL, _QUEUE, _BACKEND)))


class LogRecorder:
    """Puts calls on record, and requests that were refused before they became a call.

    Args:
        log: the log to write to.
        refusals_per_s: how many refused requests of one caller get a record of their own each second; the others are
            only counted.
    """

    def __init__(self, log: PredictionLog, refusals_per_s: float = 10.0) -> None:
        self._log = log
        self._refusals = Refusals(refusals_per_s)
        self._suppressed = 0
        self._telling: asyncio.TimerHandle | None = None
        self._told: set[asyncio.Future[None]] = set()

    async def refused(
        self, arrival: Arrival, error: BridgeError, status: int, named: tuple[str, str], ref: ModelRef | None
    ) -> None:
        """Puts a refused request on record with its first 4096 bytes, or counts it if the caller has too many of them.

        Args:
            arrival: how the request came.
            error: why it was refused.
            status: the number of the gRPC status code that the caller gets.
            named: the request's id and the model that it names; empty where they can't be read.
            ref: the version that the request was for; None if that is not known.

        Raises:
            LogUnavailable: the request could not be recorded, so the caller must get this error instead.
        """
        if not self._admits(arrival.caller):
            return
        # Not from the cache of `_about`: refused callers may name any model.
        about = pb.LogRecord(method=arrival.method, request_id=named[0], model=named[1])
        if ref is not None:
            about.version, about.digest = ref.version, ref.digest
        times = _times(arrival.received_ns, now() - arrival.at)
        record = about.SerializeToString() + _peer(arrival.peer) + times + _error(error, status)
        if (written := self._append_beginning(record, arrival.request)) is not None:
            await written

    def _admits(self, caller: str) -> bool:
        """Whether a refused call of this caller gets a record of its own; counts it if not."""
        if self._refusals.admit(caller):
            return True
        self._suppressed += 1
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_TOLD_S, self._tell)
        return False

    def _append_beginning(self, record: bytes, request: bytes) -> Awaitable[None] | None:
        if len(request) <= _KEPT_BYTES:
            return self._log.append(record, request, b"")
        return self._append_cut(record, request)

    async def _append_cut(self, record: bytes, request: bytes) -> None:
        cut = pb.LogRecord(request_bytes=len(request), request_sha256=await _sha256(request))
        if (written := self._log.append(record + cut.SerializeToString(), request[:_KEPT_BYTES], b"")) is not None:
            await written

    async def close(self) -> None:
        """Writes the record of the refusals that were only counted so far, and waits until it is written."""
        if self._telling is not None:
            self._telling.cancel()
            self._tell()
        if self._told:
            await asyncio.wait(self._told)

    def _tell(self) -> None:
        """Begins to write one record for all refusals that were only counted since the last such record."""
        count, self._suppressed, self._telling = self._suppressed, 0, None
        sentence = (
            f"{count} refused calls have no record of their own: more came in a second than log_refusals_per_s allows"
        )
        record = pb.LogRecord(suppressed=count, status=_VARIOUS, error_reason=_SUPPRESSED, error_message=sentence)
        record.received_ns = time.time_ns()
        told = asyncio.get_running_loop().create_task(self._append(record.SerializeToString()))
        self._told.add(told)
        told.add_done_callback(self._told.discard)

    async def _append(self, record: bytes) -> None:
        # No caller waits for this record, so none can be refused; the log counts what it could not write.
        with suppress(LogUnavailable):
            written: Awaitable[None] | None = self._log.append(record, b"", b"")
            if written is not None:
                await written

    def append(self, record: bytes, request: bytes, reply: bytes) -> Awaitable[None] | None:
        """Puts a call that is to be answered on record.

        Args:
            record: the bytes that `record_of` returned.
            request: the bytes of the request.
            reply: the bytes of the answer.

        Returns:
            An awaitable that must end before the answer leaves; None if there is nothing to wait for.

        Raises:
            LogUnavailable: the call could not be recorded, so the caller must get this error instead of the answer.
        """
        return self._log.append(record, request, reply)

    def failed(
        self, arrival: Arrival, call: Call, error: BridgeError, status: int, engine: str
    ) -> Awaitable[None] | None:
        """Puts a call that fails on record; if no model was asked for it, in the way that `refused` does.

        Args:
            arrival: how the request came.
            call: the call that was made of it.
            error: why the call fails.
            status: the number of the gRPC status code that the caller gets.
            engine: the engine of the version, in words.

        Returns:
            An awaitable that must end before the caller gets the error; None if there is nothing to wait for.

        Raises:
            LogUnavailable: the call could not be recorded, so the caller must get this error instead.
        """
        refused = _is_refused(call, error)
        if refused and not self._admits(arrival.caller):
            return None
        record = _of_call(arrival, call, engine, now()) + _error(error, status)
        if refused:
            return self._append_beginning(record, arrival.request)
        return self._log.append(record, arrival.request, b"")

    async def cancelled(self, arrival: Arrival, call: Call, engine: str) -> None:
        """Puts a call on record whose caller has left; the beginning of it if no model was asked.

        Raises:
            LogUnavailable: the call could not be recorded.
        """
        whole = call.trace.attempts > 0
        if not whole and not self._admits(arrival.caller):
            return
        left = pb.LogRecord(status=CANCELLED, error_reason="CANCELLED").SerializeToString()
        record, request = _of_call(arrival, call, engine, now()) + left, arrival.request
        written = self._log.append(record, request, b"") if whole else self._append_beginning(record, request)
        # Shielded: the task may be cancelled once more, and the record must be written although its caller is gone.
        if written is not None:
            await asyncio.shield(written)


def record_of(arrival: Arrival, call: Call, outcome: Outcome, engine: str, at: float) -> bytes:
    """Returns the record of a call that is answered, without its request and reply; safe to run in any thread.

    Args:
        arrival: how the request came.
        call: the call that was made of it.
        outcome: the outcome of the call.
        engine: the engine that computed the scores, in words.
        at: when the answer was known, in seconds on the loop's clock.
    """
    record = _of_call(arrival, call, engine, at) + _defaulted(outcome)
    return record + _failed(outcome) if outcome.partial else record


def _is_refused(call: Call, failure: BridgeError) -> bool:
    """Whether the call failed before a model was asked, for a reason other than a bug of the bridge.

    A call that met a bug is kept with its whole request.
    """
    return not call.trace.attempts and not isinstance(failure, InternalError)


async def _sha256(request: bytes) -> bytes:
    if len(request) <= _SOON_HASHED:
        return hashlib.sha256(request).digest()
    return (await asyncio.to_thread(hashlib.sha256, request)).digest()


@lru_cache(maxsize=1024)
def _about(method: str, model: str, version: int, digest: str, engine: str) -> bytes:
    """Returns the fields of a record that all calls of a version have in common."""
    return pb.LogRecord(method=method, model=model, version=version, digest=digest, engine=engine).SerializeToString()


@lru_cache(maxsize=1024)
def _peer(peer: str) -> bytes:
    return delimited(_PEER, peer.encode())


def _times(received_ns: int, total_s: float, queue_s: float = 0.0, backend_s: float = 0.0) -> bytes:
    total_ns, queue_ns, backend_ns = int(total_s * _NANOS), int(queue_s * _NANOS), int(backend_s * _NANOS)
    return _TIMES.pack(_RECEIVED, received_ns, _TOTAL, total_ns, _QUEUE, queue_ns, _BACKEND, backend_ns)


def _of_call(arrival: Arrival, call: Call, engine: str, at: float) -> bytes:
    model, trace = call.model, call.trace
    request_id = call.request_id.encode()
    return b"".join(
        (
            _about(arrival.method, model.model, model.version, model.digest, engine),
            _peer(arrival.peer),
            _times(arrival.received_ns, at - call.arrived, trace.queue_s, trace.backend_s),
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


def _error(error: BridgeError, status: int) -> bytes:
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
