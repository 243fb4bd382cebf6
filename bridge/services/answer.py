"""The steps from a request to its answer, the same on every wire.

They are: parse, ask whether the caller may, resolve, bind, score, encode, record.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from bridge.attempts import Attempts
from bridge.beside import beside, is_much
from bridge.callers.caller import Caller
from bridge.calls import Arrival, Call, ModelRef, Outcome, now
from bridge.counters import Counters
from bridge.eager import in_task
from bridge.errors import BridgeError, DeadlineExceeded, InternalError, LogUnavailable, ModelNotReady, Overloaded
from bridge.events import CALL_BUG, REQUEST_BUG
from bridge.layers.shares import Lease, Shares
from bridge.models.registry import Registry
from bridge.models.version import Version
from bridge.own_log import OwnLog
from bridge.parent_span import ParentSpan
from bridge.prediction_log.record import record_of
from bridge.prediction_log.recorder import LogRecorder
from bridge.services.asked import CallDraft, call_id, deadline_of
from bridge.services.looking_up import call_with_lookups
from bridge.services.status import code_of
from bridge.services.wire import Wire
from bridge.tracing import Tracing

__all__ = ["Answering", "beside_in_time", "let_go"]

_log = OwnLog(__name__)

_CANCELLED = "CANCELLED"  # gRPC's name of the status of calls whose callers have left
_MANY_VALUES = 4096  # scores of all outputs that JSON takes 2 ms to write

_Built = TypeVar("_Built")
_Failed = TypeVar("_Failed")


class Answering:
    """Answers requests, and puts each of them on record before its answer leaves.

    Args:
        registry: the gateway's versions.
        recorder: writes the prediction log; None keeps no log.
        inflight: limits the bytes of requests held at one time, by all callers together and by each.
        max_columns: the most columns of a request; a model with more features raises it for its own requests.

    Attributes:
        counters: what is counted of the calls.
        tracing: makes the calls' spans; None where calls are not traced.
    """

    def __init__(self, registry: Registry, recorder: LogRecorder | None, inflight: Shares, max_columns: int) -> None:
        self.counters = Counters()
        self.tracing: Tracing | None = None
        self._registry = registry
        self._recorder = recorder
        self._inflight = inflight
        self._max_columns = max_columns

    async def answer(self, wire: Wire[_Failed], arrival: Arrival, left_s: float | None, by: Caller) -> bytes | _Failed:
        """Answers a request: returns the bytes of its answer, or how its failed call ends.

        Raises only CancelledError, after the cancelled call is on record. Any other exception would keep its frames,
        and the request in them, in memory on its way through gRPC, and its text may hold input values.

        Args:
            wire: the protocol by which the request came.
            arrival: the request's bytes, with its caller and time.
            left_s: seconds that the caller still waits; None if it set no deadline.
            by: the caller, and what it may ask for.
        """
        held = Lease(self._inflight, arrival.caller)
        try:
            held.take(len(arrival.request))
            read = await self._read(wire, arrival, left_s, by, held)
            if isinstance(read, _Refusal):
                return await self._refused(wire, arrival, read)
            return await self._scored(wire, arrival, read)
        except Overloaded as error:
            return await self._refused(wire, arrival, _Refusal(let_go(error), None))
        except Exception as error:  # noqa: BLE001 - gRPC would send its text, which may hold input values, to the caller
            return self._refused_by_bug(wire, arrival, error)
        finally:
            held.give_back()

    def parent(self, headers: Callable[[], Iterable[tuple[str, str | bytes]] | None]) -> ParentSpan | None:
        """Returns the caller's span of a request, of which `headers` returns the headers; None without tracing."""
        return None if self.tracing is None else ParentSpan.of(headers() or ())

    async def refuse(self, wire: Wire[_Failed], arrival: Arrival, error: BridgeError) -> _Failed:
        """Puts a request on record that is refused before it is read; returns how its failed call ends.

        Args:
            wire: the protocol by which the request came.
            arrival: the request's bytes, with its caller and time.
            error: why it is refused, such as a caller that is not known.
        """
        try:
            return await self._refused(wire, arrival, _Refusal(let_go(error), None))
        except Exception as bug:  # noqa: BLE001 - as in `answer`
            return self._refused_by_bug(wire, arrival, bug)

    def _refused_by_bug(self, wire: Wire[_Failed], arrival: Arrival, bug: Exception) -> _Failed:
        request_id = ""
        with suppress(Exception):  # reading it may be what fails
            request_id, _ = wire.read_name(arrival.request)
        _log.say(REQUEST_BUG, bug=bug, request_id=request_id, caller=arrival.caller, method=wire.name)
        self._count_refused(wire, arrival, InternalError(), request_id, None)
        return wire.status(InternalError(), None)

    async def _read(
        self, wire: Wire[_Failed], arrival: Arrival, left_s: float | None, by: Caller, held: Lease
    ) -> "_Read | _Refusal":
        """Returns the call that a request makes, with its version, or why the request is refused."""
        ref = None
        try:
            asked, little = wire.parse_short(arrival.request), True
            if asked is None:
                asked, little = await wire.parse(arrival.request, left_s, arrival.caller)
            request_id = call_id(asked.request_id)
            by.require(asked.model)
            version = self._registry.resolve(asked.model, asked.version)
            ref = version.ref
            deadline = deadline_of(asked, arrival, left_s)
            draft = CallDraft(asked, request_id, version, arrival, deadline, self._max_columns)
            if (plan := version.lookups) is not None:
                call = await call_with_lookups(draft, plan, by, little=little, hold=held.take)
                return _Read(call, version, asked.form)
            call = draft.take_and_bind() if little else await _bound_beside(draft, left_s)
            by.charge(call.rows)
            return _Read(call, version, asked.form)
        except BridgeError as error:
            return _Refusal(let_go(error), ref)

    async def _scored(self, wire: Wire[_Failed], arrival: Arrival, read: "_Read") -> bytes | _Failed:
        """Scores a call, puts it on record and counts it; returns the bytes of its answer, or how it ends."""
        call = read.call
        if self.tracing is not None:
            call.trace.noted = Attempts()
        try:
            ended = await self._recorded(wire, arrival, read)
        except asyncio.CancelledError:
            self._count_failed(wire, arrival, call, _CANCELLED, _CANCELLED)
            raise
        except LogUnavailable as error:
            ended = let_go(error)
        except Exception as bug:  # noqa: BLE001 - as in `answer`
            _log.say(CALL_BUG, bug=bug, request_id=call.request_id, version=call.model)
            ended = InternalError()
        if isinstance(ended, bytes):
            return ended
        self._count_failed(wire, arrival, call, ended.reason, code_of(ended).name)
        return wire.status(ended, call.model)

    def _count_answered(self, wire: Wire[_Failed], arrival: Arrival, call: Call, outcome: Outcome) -> None:
        self.counters.of(call.model).answered(call, wire.name, outcome, now())
        if self.tracing is not None:
            self.tracing.answered(arrival, call, wire.name, outcome)

    def _count_failed(self, wire: Wire[_Failed], arrival: Arrival, call: Call, reason: str, code: str) -> None:
        self.counters.of(call.model).failed(call, wire.name, code, now())
        if self.tracing is not None:
            self.tracing.failed(arrival, call, wire.name, reason=reason, code=code)

    async def _recorded(self, wire: Wire[_Failed], arrival: Arrival, read: "_Read") -> bytes | BridgeError:
        """Scores a call and puts its outcome on record, also of a cancelled one; returns its answer, or why it failed.

        Raises:
            LogUnavailable: the call could not be recorded, and may not be answered without a record.
        """
        call, version = read.call, read.version
        engine = version.engine
        try:
            outcome = await version.score(call) if call.rows else version.nothing()
            if (failure := outcome.first_failure()) is None:
                write = partial(self._written, wire, arrival, read, outcome, engine, at=now())
                values = call.rows * max(len(part.scores) for part in outcome.ranges)
                much = is_much(call.rows, len(outcome.ranges)) or values > _MANY_VALUES
                reply, record = await beside(write, call.caller) if much else write()
        except asyncio.CancelledError:
            if self._recorder is not None:
                with suppress(LogUnavailable):  # the log has counted it, and there is nobody left to be told
                    await self._recorder.cancelled(arrival, call, engine)
            raise
        except BridgeError as error:
            failure = error
        except Exception:
            await self._failed(arrival, call, InternalError(), engine)
            raise
        if failure is not None:
            let_go(failure)
            await self._failed(arrival, call, failure, engine)
            return failure
        if self._recorder is not None:
            written = self._recorder.append(record, arrival.request, reply)
            if written is not None:
                await written
        self._count_answered(wire, arrival, call, outcome)
        return reply

    def _written(
        self, wire: Wire[_Failed], arrival: Arrival, read: "_Read", outcome: Outcome, engine: str, *, at: float
    ) -> tuple[bytes, bytes]:
        """Returns the bytes of the answer and of its record; the record is empty where no log is kept."""
        reply = wire.encode(read.call, outcome, read.form)
        if self._recorder is None:
            return reply, b""
        return reply, record_of(arrival, read.call, outcome, engine, at, answer_json_bytes=wire.answer_json_bytes)

    async def _failed(self, arrival: Arrival, call: Call, error: BridgeError, engine: str) -> None:
        if self._recorder is None:
            return
        written = self._recorder.failed(arrival, call, error, code_of(error).value[0], engine)
        if written is not None:
            await written

    async def _refused(self, wire: Wire[_Failed], arrival: Arrival, refusal: "_Refusal") -> _Failed:
        """Puts a refused request on record, for which no model is asked; returns how its failed call ends."""
        error, ref = refusal
        unnamed = self._recorder is None and self.tracing is None
        named = ("", "") if unnamed else wire.read_name(arrival.request)
        if self._recorder is not None:
            try:
                await self._recorder.refused(arrival, error, code_of(error).value[0], named, ref)
            except LogUnavailable as unavailable:
                error = let_go(unavailable)
        self._count_refused(wire, arrival, error, named[0], ref)
        return wire.status(error, ref)

    def _count_refused(
        self, wire: Wire[_Failed], arrival: Arrival, error: BridgeError, request_id: str, ref: ModelRef | None
    ) -> None:
        reason, code = error.reason, code_of(error).name
        self.counters.refused(reason, wire.name, code, ref)
        if self.tracing is not None:
            self.tracing.refused(arrival, wire.name, reason=reason, code=code, request_id=request_id, ref=ref)


class _Read(NamedTuple):
    """A request's call and version, and the form in which its answer is to be written."""

    call: Call
    version: Version
    form: Any


class _Refusal(NamedTuple):
    """Why a request is refused, and the version that it was for; None if the version is not known."""

    error: BridgeError
    ref: ModelRef | None


async def _bound_beside(draft: CallDraft, left_s: float | None) -> Call:
    version, arrival = draft.version, draft.arrival
    with version.in_use():
        loaded = version.accepted
        call = await beside_in_time(draft.take_and_bind, left_s, arrival.caller)
        # The version was loaded meanwhile: the rows were left unbound, but the model would take them for bound rows.
        if version.accepted is not loaded:
            if version.lookups is not None:
                raise ModelNotReady(f"{version.ref} was loaded while the request was read: send it again")
            rest_s = None if left_s is None else left_s - (now() - arrival.at)
            call = await beside_in_time(draft.take_and_bind, rest_s, arrival.caller)
        return call


async def beside_in_time(work: Callable[[], _Built], left_s: float | None, caller: str) -> _Built:
    """Runs a function that would hold the event loop in a thread, when it is its caller's turn; returns its result.

    Args:
        work: the function.
        left_s: seconds that the caller still waits; None if it set no deadline.
        caller: for whom the function runs.

    Raises:
        DeadlineExceeded: `left_s` passed before the function had ended.
    """
    await in_task()
    try:
        async with asyncio.timeout(left_s):
            return await beside(work, caller)
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"the deadline passed before the request was read: {left_s:.3f} s were left for reading it"
        ) from error


def let_go(error: BridgeError) -> BridgeError:
    """Removes an error's traceback, cause and context, which would keep the request in memory; returns the error."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
