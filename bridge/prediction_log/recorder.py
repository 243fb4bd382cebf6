"""Puts calls on record, and requests that were refused before they became a call."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable
from contextlib import suppress

from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.calls import Arrival, Call, ModelRef, now
from bridge.errors import BridgeError, InternalError, LogUnavailable
from bridge.prediction_log.record import came_of, error_of, record_of_call, times_of
from bridge.prediction_log.refusals import Refusals
from bridge.prediction_log.rows import CANCELLED
from bridge.prediction_log.writer import PredictionLog

__all__ = ["LogRecorder"]

_KEPT_BYTES = 4096  # the bytes of a refused request that are put on record
_SOON_HASHED = 64 << 10
_TOLD_S = 1.0  # refusals without a record of their own get one together after this time
_SUPPRESSED = "SUPPRESSED"
_VARIOUS = 2  # gRPC's UNKNOWN: the calls ended with several status codes


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
        times = times_of(arrival.received_ns, now() - arrival.at)
        record = about.SerializeToString() + came_of(arrival) + times + error_of(error, status)
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
        record = record_of_call(arrival, call, engine, now(), whole=not refused) + error_of(error, status)
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
        record, request = record_of_call(arrival, call, engine, now(), whole=whole) + left, arrival.request
        written = self._log.append(record, request, b"") if whole else self._append_beginning(record, request)
        # Shielded: the task may be cancelled once more, and the record must be written although its caller is gone.
        if written is not None:
            await asyncio.shield(written)


def _is_refused(call: Call, failure: BridgeError) -> bool:
    """Whether the call failed before a model was asked, for a reason other than a bug of the bridge.

    A call that met a bug is kept with its whole request.
    """
    return not call.trace.attempts and not isinstance(failure, InternalError)


async def _sha256(request: bytes) -> bytes:
    if len(request) <= _SOON_HASHED:
        return hashlib.sha256(request).digest()
    return (await asyncio.to_thread(hashlib.sha256, request)).digest()
