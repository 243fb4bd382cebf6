"""Calls and refusals as records of the prediction log; `codecs.protobuf` says why they are written by hand."""

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
_KEPT_BYTES = 4096  # of a request that was refused
_SOON_HASHED = 64 << 10
_TOLD_S = 1.0  # after which refusals that are not on record each are told together
_SUPPRESSED = "SUPPRESSED"
_VARIOUS = 2  # gRPC's UNKNOWN: they ended with several codes
_REQUEST_ID = tag(pb.LogRecord.REQUEST_ID_FIELD_NUMBER)
_PEER = tag(pb.LogRecord.PEER_FIELD_NUMBER)
_ATTEMPTS = tag(pb.LogRecord.ATTEMPTS_FIELD_NUMBER, VARINT)
_RECEIVED = tag(pb.LogRecord.RECEIVED_NS_FIELD_NUMBER, FIXED64)
_TOTAL = tag(pb.LogRecord.TOTAL_NS_FIELD_NUMBER, FIXED64)
_QUEUE = tag(pb.LogRecord.QUEUE_NS_FIELD_NUMBER, FIXED64)
_BACKEND = tag(pb.LogRecord.BACKEND_NS_FIELD_NUMBER, FIXED64)
_TIMES = struct.Struct("<" + "".join(f"{len(one)}sQ" for one in (_RECEIVED, _TOTAL, _QUEUE, _BACKEND)))


class LogRecorder:
    """Makes records of calls, and of requests that never became one.

    Args:
        log: where they go.
        refusals_per_s: how many refused requests of one caller are on record each; the others are counted.
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
        """A request that no model was asked for: the beginning of it, or one more in a count of such.

        Args:
            arrival: how it came.
            error: why it was refused.
            status: the number of its gRPC status code.
            named: the call's id and the model that was asked for; empty where they can't be read.
            ref: the version that it was for; None if that is not known.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        if not self._admits(arrival.caller):
            return
        # Not from the cache: what callers ask for may be anything.
        about = pb.LogRecord(method=arrival.method, request_id=named[0], model=named[1])
        if ref is not None:
            about.version, about.digest = ref.version, ref.digest
        times = _times(arrival.received_ns, now() - arrival.at)
        record = about.SerializeToString() + _peer(arrival.peer) + times + _error(error, status)
        if (written := self._append_beginning(record, arrival.request)) is not None:
            await written

    def _admits(self, caller: str) -> bool:
        """One more refused call of this caller is on record by itself; else it is counted."""
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
        """Puts on record what is still to be told of refusals."""
        if self._telling is not None:
            self._telling.cancel()
            self._tell()
        if self._told:
            await asyncio.wait(self._told)

    def _tell(self) -> None:
        """One record for all refusals that have none of their own since the last one."""
        count, self._suppressed, self._telling = self._suppressed, 0, None
        sentence = f"{count} refused calls are not on record each: their callers sent too many of them a second"
        record = pb.LogRecord(suppressed=count, status=_VARIOUS, error_reason=_SUPPRESSED, error_message=sentence)
        record.received_ns = time.time_ns()
        told = asyncio.get_running_loop().create_task(self._append(record.SerializeToString()))
        self._told.add(told)
        told.add_done_callback(self._told.discard)

    async def _append(self, record: bytes) -> None:
        # Nobody waits for it who could be refused; the log counts what it has lost.
        with suppress(LogUnavailable):
            written: Awaitable[None] | None = self._log.append(record, b"", b"")
            if written is not None:
                await written

    def append(self, record: bytes, request: bytes, reply: bytes) -> Awaitable[None] | None:
        """Puts a call that is to be answered on record: what `record_of` gave, the request and the reply.

        Returns:
            What to await before the answer leaves; None if nothing.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        return self._log.append(record, request, reply)

    def failed(
        self, arrival: Arrival, call: Call, error: BridgeError, status: int, engine: str
    ) -> Awaitable[None] | None:
        """A call that fails; one for which no model was asked is on record as `refused` has it.

        Args:
            arrival: how it came.
            call: that was made of it.
            error: why it fails.
            status: the number of its gRPC status code.
            engine: what computes the scores of the version, in words.

        Returns:
            What to await before the caller is told; None if nothing.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        refused = _is_refused(call, error)
        if refused and not self._admits(arrival.caller):
            return None
        record = _of_call(arrival, call, engine, now()) + _error(error, status)
        if refused:
            return self._append_beginning(record, arrival.request)
        return self._log.append(record, arrival.request, b"")

    async def cancelled(self, arrival: Arrival, call: Call, engine: str) -> None:
        """A call whose caller has left."""
        whole = call.trace.attempts > 0
        if not whole and not self._admits(arrival.caller):
            return
        left = pb.LogRecord(status=CANCELLED, error_reason="CANCELLED").SerializeToString()
        record, request = _of_call(arrival, call, engine, now()) + left, arrival.request
        written = self._log.append(record, request, b"") if whole else self._append_beginning(record, request)
        # The caller is gone: nobody waits for the disk, or for the refusal.
        if written is not None:
            await asyncio.shield(written)


def record_of(arrival: Arrival, call: Call, outcome: Outcome, engine: str, at: float) -> bytes:
    """The record of a call that is answered, less its request and reply; touches nothing of the event loop's.

    Args:
        arrival: how it came.
        call: that was made of it.
        outcome: what became of it.
        engine: what computed the scores, in words.
        at: when the answer was known, on the loop's clock.
    """
    record = _of_call(arrival, call, engine, at) + _defaulted(outcome)
    return record + _failed(outcome) if outcome.partial else record


def _is_refused(call: Call, failure: BridgeError) -> bool:
    """No model was asked; but what the bridge did wrong itself is kept whole."""
    return not call.trace.attempts and not isinstance(failure, InternalError)


async def _sha256(request: bytes) -> bytes:
    if len(request) <= _SOON_HASHED:
        return hashlib.sha256(request).digest()
    return (await asyncio.to_thread(hashlib.sha256, request)).digest()


@lru_cache(maxsize=1024)
def _about(method: str, model: str, version: int, digest: str, engine: str) -> bytes:
    """What all calls of a version have in common."""
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
