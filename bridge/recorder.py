"""Calls and refusals as records of the prediction log; see `bridge.wire` for why they are written by hand."""

from asyncio import shield
from functools import lru_cache

from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.calls import Call, Exchange, Outcome, now
from bridge.errors import BridgeError
from bridge.prediction_log.writer import PredictionLog
from bridge.wire import delimited, duration_writer, number_writer, tag, timestamp_writer

__all__ = ["LogRecorder"]

_CANCELLED = 1  # gRPC's status code
_REQUEST_ID = tag(pb.LogRecord.REQUEST_ID_FIELD_NUMBER)
_PEER = tag(pb.LogRecord.PEER_FIELD_NUMBER)
_received_at = timestamp_writer(pb.LogRecord.RECEIVED_AT_FIELD_NUMBER)
_total_time = duration_writer(pb.LogRecord.TOTAL_TIME_FIELD_NUMBER)
_queue_time = duration_writer(pb.LogRecord.QUEUE_TIME_FIELD_NUMBER)
_backend_time = duration_writer(pb.LogRecord.BACKEND_TIME_FIELD_NUMBER)
_attempts = number_writer(pb.LogRecord.ATTEMPTS_FIELD_NUMBER)


class LogRecorder:
    """Makes records of calls, and of requests that never became one."""

    def __init__(self, log: PredictionLog) -> None:
        self._log = log

    async def refused(self, exchange: Exchange, error: BridgeError, elapsed_s: float) -> None:
        """A request that no model was asked for."""
        record = _about(exchange.method, error.model, error.version, "", "") + _arrival(exchange, "", elapsed_s)
        await self._log.append(record + _error(exchange, error), exchange.request, b"")

    async def answered(self, call: Call, outcome: Outcome, engine: str = "") -> Outcome:
        """A call and what became of it; the outcome, with the bytes of its reply if it has one.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        exchange = call.exchange
        if exchange is None:
            return outcome
        record = _of_call(call, exchange, engine)
        failure = outcome.first_failure()
        if failure is not None:
            record += _error(exchange, failure)
        else:
            outcome = Outcome(outcome.ranges, exchange.encode(call, outcome))
            record += _defaulted(outcome)
        await self._log.append(record, exchange.request, outcome.reply)
        return outcome

    async def cancelled(self, call: Call, engine: str = "") -> None:
        """A call whose caller has left."""
        if call.exchange is not None:
            left = pb.LogRecord(status=_CANCELLED, error_reason="CANCELLED").SerializeToString()
            record = _of_call(call, call.exchange, engine) + left
            # The caller is gone: nobody waits for the disk, or for the refusal.
            await shield(self._log.append(record, call.exchange.request, b""))


@lru_cache(maxsize=1024)
def _about(method: str, model: str, version: int, digest: str, engine: str) -> bytes:
    """What all calls of a version have in common."""
    return pb.LogRecord(method=method, model=model, version=version, digest=digest, engine=engine).SerializeToString()


def _arrival(exchange: Exchange, request_id: str, elapsed_s: float) -> bytes:
    return b"".join(
        (
            delimited(_REQUEST_ID, request_id.encode()),
            delimited(_PEER, exchange.peer.encode()),
            _received_at(exchange.received_ns),
            _total_time(elapsed_s),
        )
    )


def _of_call(call: Call, exchange: Exchange, engine: str) -> bytes:
    model, trace = call.model, call.trace
    return b"".join(
        (
            _about(exchange.method, model.model, model.version, model.digest, engine),
            _arrival(exchange, call.request_id, now() - call.arrived),
            _attempts(trace.attempts),
            _queue_time(trace.queue_s),
            _backend_time(trace.backend_s),
        )
    )


def _error(exchange: Exchange, error: BridgeError) -> bytes:
    return pb.LogRecord(
        status=exchange.status(error),
        error_reason=error.reason,
        error_message=str(error),
        private_detail=error.private,
    ).SerializeToString()


def _defaulted(outcome: Outcome) -> bytes:
    ranges = [
        pb.LoggedRange(
            first=part.first,
            count=part.count,
            reason=f"DEFAULT_REASON_{part.error.default_reason}",
            private_detail=part.error.private,
        )
        for part in outcome.ranges
        if part.error is not None and part.defaulted
    ]
    return pb.LogRecord(defaulted=ranges).SerializeToString() if ranges else b""
