"""How a request becomes an answer, on every wire: parse, resolve, bind, score, encode, record, and the bytes."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from bridge.beside import beside, is_much
from bridge.calls import Arrival, Call, ModelRef, Outcome, now
from bridge.eager import in_task
from bridge.errors import BridgeError, DeadlineExceeded, InternalError, LogUnavailable, Overloaded
from bridge.layers.shares import Shares
from bridge.models.registry import Registry
from bridge.models.version import Version
from bridge.prediction_log.recorder import LogRecorder, record_of
from bridge.services.asked import Asked, bind, call_id
from bridge.services.status import Status, code_of

__all__ = ["Answering", "Wire", "beside_in_time", "let_go"]

_log = logging.getLogger(__name__)

_Built = TypeVar("_Built")


class Wire(Protocol):
    """A protocol by which requests come: what their bytes say, and how answers are written."""

    def parse_short(self, raw: bytes) -> Asked | None:
        """What a request says that is read at once; None if `parse` has to see to it.

        Raises:
            InvalidRequest: it is none of this wire's, or holds more than it may.
        """

    async def parse(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Asked, bool]:
        """What any request says, read without holding the event loop, and whether it is little work to go on with it.

        Raises:
            InvalidRequest: it is none of this wire's, or holds more than it may.
            DeadlineExceeded: others were read until its caller's time, `left_s` seconds, was over.
        """

    def read_name(self, raw: bytes) -> tuple[str, str]:
        """The id and the model of a request that was refused: a made id where it has none, empty if unreadable."""

    def encode(self, call: Call, outcome: Outcome) -> bytes:
        """The bytes that answer a call, of an outcome that does not fail it."""

    def status(self, error: BridgeError, ref: ModelRef | None) -> Status:
        """How a call ends with an error; without a reference nobody knows yet which version it was for."""


class Answering:
    """Answers requests, each of which is on record before its answer leaves.

    Args:
        registry: of the versions.
        recorder: of the prediction log; None keeps none.
        inflight: how many bytes of requests may be held, by all callers and by each.
        max_columns: of a request, if no resident model has more features.
    """

    def __init__(self, registry: Registry, recorder: LogRecorder | None, inflight: Shares, max_columns: int) -> None:
        self._registry = registry
        self._recorder = recorder
        self._inflight = inflight
        self._max_columns = max_columns

    async def answer(self, wire: Wire, arrival: Arrival, left_s: float | None) -> bytes | Status:
        """The bytes that answer a request, or how its call ends.

        No exception leaves: on its way through gRPC it would hold the frames it went through, and the request in them,
        and its text may hold input values. Only a cancellation does, which is put on record first.

        Args:
            wire: by which it came.
            arrival: how it came.
            left_s: how long its caller waits, seconds; None for any time.
        """
        held, ref = 0, None
        try:
            self._inflight.take(arrival.caller, len(arrival.request))
            held = len(arrival.request)
            read = await self._read(wire, arrival, left_s)
            if isinstance(read, _Refusal):
                return await self._refused(wire, arrival, read)
            call, version = read
            ref = call.model
            return await self._scored(wire, arrival, call, version)
        except Overloaded as error:
            return await self._refused(wire, arrival, _Refusal(let_go(error), None))
        except LogUnavailable as error:
            return wire.status(let_go(error), ref)
        except Exception:  # noqa: BLE001 - gRPC would send its text, which may hold input values, to the caller
            _log.exception("a call failed inside the bridge")
            return wire.status(InternalError("the bridge failed; its log says where"), ref)
        finally:
            self._inflight.give_back(arrival.caller, held)

    async def _read(self, wire: Wire, arrival: Arrival, left_s: float | None) -> "tuple[Call, Version] | _Refusal":
        """The call that a request makes, and of which version; or why it makes none."""
        ref = None
        try:
            asked, little = wire.parse_short(arrival.request), True
            if asked is None:
                asked, little = await wire.parse(arrival.request, left_s, arrival.caller)
            request_id = call_id(asked.request_id)
            version = self._registry.resolve(asked.model, asked.version)
            ref = version.ref
            make = partial(bind, asked, request_id, version, arrival, left_s, max_columns=self._max_columns)
            return make() if little else await _bound_beside(make, version, arrival, left_s), version
        except BridgeError as error:
            return _Refusal(let_go(error), ref)

    async def _scored(self, wire: Wire, arrival: Arrival, call: Call, version: Version) -> bytes | Status:
        """Scores a call, and puts on record what became of it.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        engine = version.engine
        try:
            outcome = await version.score(call) if call.rows else version.nothing()
            if (failure := outcome.first_failure()) is None:
                write = partial(self._written, wire, arrival, call, outcome, engine, at=now())
                much = is_much(call.rows, len(outcome.ranges))
                reply, record = await beside(write, call.caller) if much else write()
        except asyncio.CancelledError:
            if self._recorder is not None:
                await self._recorder.cancelled(arrival, call, engine)
            raise
        except BridgeError as error:
            failure = error
        except Exception:
            await self._failed(arrival, call, InternalError("the bridge failed; its log says where"), engine)
            raise
        if failure is not None:
            let_go(failure)
            await self._failed(arrival, call, failure, engine)
            return wire.status(failure, call.model)
        if self._recorder is not None:
            written = self._recorder.append(record, arrival.request, reply)
            if written is not None:
                await written
        return reply

    def _written(
        self, wire: Wire, arrival: Arrival, call: Call, outcome: Outcome, engine: str, *, at: float
    ) -> tuple[bytes, bytes]:
        """The bytes of the answer, and those of its record."""
        reply = wire.encode(call, outcome)
        return reply, b"" if self._recorder is None else record_of(arrival, call, outcome, engine, at)

    async def _failed(self, arrival: Arrival, call: Call, error: BridgeError, engine: str) -> None:
        if self._recorder is None:
            return
        written = self._recorder.failed(arrival, call, error, code_of(error).value[0], engine)
        if written is not None:
            await written

    async def _refused(self, wire: Wire, arrival: Arrival, refusal: "_Refusal") -> Status:
        """Puts a request on record for which no model is asked."""
        error, ref = refusal
        if self._recorder is not None:
            named = wire.read_name(arrival.request)
            try:
                await self._recorder.refused(arrival, error, code_of(error).value[0], named, ref)
            except LogUnavailable as unavailable:
                error = let_go(unavailable)
        return wire.status(error, ref)


class _Refusal(NamedTuple):
    """Why a request makes no call, and the version that it was for; None if that is not known."""

    error: BridgeError
    ref: ModelRef | None


async def _bound_beside(make: Callable[[], Call], version: Version, arrival: Arrival, left_s: float | None) -> Call:
    with version.in_use():
        loaded = version.accepted
        call = await beside_in_time(make, left_s, arrival.caller)
        # Loaded meanwhile: the rows are as they came, and it would take them for its own.
        if version.accepted is not loaded:
            rest_s = None if left_s is None else left_s - (now() - arrival.at)
            call = await beside_in_time(make, rest_s, arrival.caller)
        return call


async def beside_in_time(work: Callable[[], _Built], left_s: float | None, caller: str) -> _Built:
    """What a function gives that would hold the event loop, called in a thread when it is its caller's turn.

    Raises:
        DeadlineExceeded: the time, `left_s` seconds, was over before it was done.
    """
    await in_task()
    try:
        async with asyncio.timeout(left_s):
            return await beside(work, caller)
    except TimeoutError as error:
        raise DeadlineExceeded(f"the request was not read within the {left_s:.3f} s that were left") from error


def let_go(error: BridgeError) -> BridgeError:
    """The error without the frames that raised it, which hold the message and all that was built of it."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
