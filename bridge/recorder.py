"""Calls and refusals as records of the prediction log; see `bridge.wire` for why they are written by hand."""

import asyncio
import hashlib
import struct
import time
from collections.abc import Awaitable
from contextlib import suppress
from functools import lru_cache, partial

from scorebridge.arrays import varint
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.beside import beside
from bridge.calls import Call, Exchange, Outcome, Range, now
from bridge.columns import Batch, Matrix
from bridge.errors import BridgeError, DefaultReason, InternalError, LogUnavailable
from bridge.layers.record import Answer
from bridge.messages import TYPE_NUMBERS
from bridge.prediction_log.rows import CANCELLED
from bridge.prediction_log.writer import PredictionLog
from bridge.refusals import Refusals
from bridge.wire import FIXED64, VARINT, delimited, tag

__all__ = ["LogRecorder"]

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
        self, exchange: Exchange, error: BridgeError, elapsed_s: float, request_id: str, model: str
    ) -> None:
        """A request that no model was asked for: the beginning of it, or one more in a count of such.

        Args:
            exchange: how it came.
            error: why it was refused.
            elapsed_s: since it came, seconds.
            request_id: of the call; empty if there is none.
            model: that was asked for; empty if it can't be read.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        if not self._admits(exchange):
            return
        # Not from the cache: what callers ask for may be anything.
        about = pb.LogRecord(method=exchange.method, request_id=request_id, model=model)
        about.version, about.digest = error.version, error.digest
        times = _times(exchange.received_ns, elapsed_s)
        record = about.SerializeToString() + _peer(exchange.peer) + times + _error(exchange, error)
        if (written := self._append_beginning(record, exchange.request)) is not None:
            await written

    def _admits(self, exchange: Exchange) -> bool:
        """One more refused call of this caller is on record by itself; else it is counted."""
        if self._refusals.admit(exchange.caller):
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

    def answered(self, call: Call, outcome: Outcome, engine: str = "") -> Answer:
        """A call and what became of it; the outcome, with the bytes of its reply if it has one.

        One that failed before a model was asked is on record as `refused` has it.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        exchange = call.exchange
        if exchange is None:
            return outcome, None
        failure = outcome.first_failure()
        if failure is not None and _is_refused(call, failure):
            if not self._admits(exchange):
                return outcome, None
            record = _of_call(call, exchange, engine, now()) + _error(exchange, failure)
            return outcome, self._append_beginning(record, exchange.request)
        outcome, record = _written(call, exchange, outcome, engine, now())
        return outcome, self._log.append(record, exchange.request, outcome.reply)

    async def answered_beside(self, call: Call, outcome: Outcome, engine: str = "") -> Outcome:
        """The same of much, which is written beside the event loop; the outcome once it is on record.

        Raises:
            LogUnavailable: likewise.
        """
        exchange = call.exchange
        if exchange is None or outcome.first_failure() is not None:
            outcome, written = self.answered(call, outcome, engine)
        else:
            write = partial(_written, call, exchange, outcome, engine, now())
            try:
                outcome, record = await beside(write, exchange.caller)
            except asyncio.CancelledError:
                await self.cancelled(call, engine)
                raise
            written = self._log.append(record, exchange.request, outcome.reply)
        if written is not None:
            await written
        return outcome

    async def cancelled(self, call: Call, engine: str = "") -> None:
        """A call whose caller has left."""
        exchange = call.exchange
        if exchange is None or (not call.trace.attempts and not self._admits(exchange)):
            return
        left = pb.LogRecord(status=CANCELLED, error_reason="CANCELLED").SerializeToString()
        record = _of_call(call, exchange, engine, now()) + left
        whole = call.trace.attempts > 0
        request = exchange.request
        written = self._log.append(record, request, b"") if whole else self._append_beginning(record, request)
        # The caller is gone: nobody waits for the disk, or for the refusal.
        if written is not None:
            await asyncio.shield(written)


def _written(call: Call, exchange: Exchange, outcome: Outcome, engine: str, at: float) -> tuple[Outcome, bytes]:
    """The outcome with the bytes of its reply, if it has one, and the record of the call, as of an instant."""
    record = _of_call(call, exchange, engine, at)
    if (failure := outcome.first_failure()) is not None:
        return outcome, record + _error(exchange, failure)
    outcome = Outcome(outcome.ranges, exchange.encode(call, outcome), outcome.partial)
    record += _defaulted(outcome)
    return outcome, record + _failed(outcome) if outcome.partial else record


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


def _of_call(call: Call, exchange: Exchange, engine: str, at: float) -> bytes:
    model, trace = call.model, call.trace
    request_id = call.request_id.encode()
    return b"".join(
        (
            _about(exchange.method, model.model, model.version, model.digest, engine),
            _peer(exchange.peer),
            _times(exchange.received_ns, at - call.arrived, trace.queue_s, trace.backend_s),
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


def _error(exchange: Exchange, error: BridgeError) -> bytes:
    return pb.LogRecord(
        status=exchange.status(error),
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
