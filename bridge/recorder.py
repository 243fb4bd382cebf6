"""Calls and refusals as records of the prediction log."""

from asyncio import shield
from dataclasses import replace

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.calls import Call, Exchange, Outcome, now
from bridge.errors import BridgeError
from bridge.prediction_log.writer import PredictionLog

__all__ = ["LogRecorder"]

_CANCELLED = 1  # gRPC's status code
_NANOS = 10**9


class LogRecorder:
    """Makes records of calls, and of requests that never became one."""

    def __init__(self, log: PredictionLog) -> None:
        self._log = log

    async def refused(self, exchange: Exchange, error: BridgeError, elapsed_s: float) -> None:
        """A request that no model was asked for."""
        record = _record(exchange, "", elapsed_s)
        record.model, record.version = error.model, error.version
        _add_error(record, exchange, error)
        await self._log.append(record, exchange.request, b"")

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
            _add_error(record, exchange, failure)
        else:
            outcome = replace(outcome, reply=exchange.encode(call, outcome))
            record.defaulted.extend(_defaulted(outcome))
        await self._log.append(record, exchange.request, outcome.reply)
        return outcome

    async def cancelled(self, call: Call, engine: str = "") -> None:
        """A call whose caller has left."""
        if call.exchange is not None:
            record = _of_call(call, call.exchange, engine)
            record.status = _CANCELLED
            record.error_reason = "CANCELLED"
            # The caller is gone: nobody waits for the disk, or for the refusal.
            await shield(self._log.append(record, call.exchange.request, b""))


def _record(exchange: Exchange, request_id: str, elapsed_s: float) -> pb.LogRecord:
    return pb.LogRecord(
        method=exchange.method,
        request_id=request_id,
        peer=exchange.peer,
        received_at=_timestamp(exchange.received_ns),
        total_time=_duration(elapsed_s),
    )


def _of_call(call: Call, exchange: Exchange, engine: str) -> pb.LogRecord:
    model, trace = call.model, call.trace
    return pb.LogRecord(
        method=exchange.method,
        request_id=call.request_id,
        peer=exchange.peer,
        received_at=_timestamp(exchange.received_ns),
        total_time=_duration(now() - call.arrived),
        model=model.model,
        version=model.version,
        digest=model.digest,
        attempts=trace.attempts,
        queue_time=_duration(trace.queue_s),
        backend_time=_duration(trace.backend_s),
        engine=engine,
    )


# Setting the fields is three times faster than the methods that these messages have for it.
def _timestamp(nanoseconds: int) -> Timestamp:
    return Timestamp(seconds=nanoseconds // _NANOS, nanos=nanoseconds % _NANOS)


def _duration(seconds: float) -> Duration:
    nanoseconds = round(seconds * _NANOS)
    return Duration(seconds=nanoseconds // _NANOS, nanos=nanoseconds % _NANOS)


def _add_error(record: pb.LogRecord, exchange: Exchange, error: BridgeError) -> None:
    record.status = exchange.status(error)
    record.error_reason = error.reason
    record.error_message = str(error)
    record.private_detail = error.private


def _defaulted(outcome: Outcome) -> list[pb.LoggedRange]:
    return [
        pb.LoggedRange(
            first=part.first,
            count=part.count,
            reason=f"DEFAULT_REASON_{part.error.default_reason}",
            private_detail=part.error.private,
        )
        for part in outcome.ranges
        if part.defaulted and part.error is not None
    ]
