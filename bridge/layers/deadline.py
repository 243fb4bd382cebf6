"""The deadline layer: fixes a call's deadline once, and ends the call at it even if the layers below still run."""

import asyncio

from bridge.calls import Call, Deadline, Outcome, Scorer, now
from bridge.eager import Waits, begin, in_task, resume
from bridge.errors import BridgeError, DeadlineExceeded, Draining
from bridge.layers.drain import Drain

__all__ = ["DeadlineLayer"]

_RESERVE_S = 0.008  # with 2 ms most answers to a 50 ms call came late: gRPC rounds timeouts up, epoll adds 1 ms
_RESERVE_SHARE = 0.05
_LAG_HALF_LIFE_S = 1.0
_LAG_SHARE = 0.2  # at most: one long lag must not take all the time that calls have


class DeadlineLayer:
    """Ends a call early enough for its answer to reach the caller in time.

    On a machine that is short of CPU the event loop runs late, and so would an answer that is begun at the last moment.
    So the loop's recent lag is kept back as well.

    Args:
        timeout_s: the time for a call without a deadline, seconds.
        max_timeout_s: the most time that any call gets, seconds.
        reserve_s: the part of the caller's time that is kept back for the way of the reply, seconds. None for 8 ms or
            5 % of it, the larger, and the loop's recent lag, up to 20 % of it.
        drain: the gateway's own deadline for all calls.
    """

    def __init__(self, timeout_s: float, max_timeout_s: float, reserve_s: float | None, drain: Drain) -> None:
        self._drain = drain
        self._timeout_s = timeout_s
        self._max_timeout_s = max_timeout_s
        self._reserve_s = reserve_s
        self._lag = _Lag()

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Passes the call on with its final deadline, and ends it there.

        Raises:
            DeadlineExceeded: the call's time is over. The layers below were cancelled, or not asked at all.
            Draining: the gateway drains and its grace is over. The layers below were cancelled, or not asked at all.
        """
        deadline = self._fixed(call)
        # asyncio.timeout with a deadline in the past would still start the call.
        if deadline.expired() or self._drain.over:
            raise self._late(call, deadline)
        outcome = begin(inner(call.until(deadline)))
        return await self._limited(call, deadline, outcome) if isinstance(outcome, Waits) else outcome

    async def _limited(self, call: Call, deadline: Deadline, waits: Waits[Outcome]) -> Outcome:
        """Awaits the rest of a call that has to wait for something."""
        timeout = asyncio.timeout_at(deadline.instant)
        at = now()
        try:
            await in_task()
        except asyncio.CancelledError as error:
            return await resume(waits, error)
        self._lag.note(now(), now() - at)
        try:
            async with timeout:
                self._drain.add(timeout)
                return await resume(waits)
        except TimeoutError as error:
            if timeout.expired():
                self._lag.note(now(), now() - (timeout.when() or now()))
                raise self._late(call, deadline) from error
            raise
        finally:
            self._drain.discard(timeout)

    def _late(self, call: Call, deadline: Deadline) -> BridgeError:
        if self._drain.over and not deadline.expired():
            return Draining(f"{call.model}: the gateway is going down")
        return _exceeded(call, deadline)

    def _fixed(self, call: Call) -> Deadline:
        if call.deadline is None:
            return Deadline(call.arrived + min(self._timeout_s, self._max_timeout_s))
        capped = min(call.deadline.instant, call.arrived + self._max_timeout_s)
        reserve_s = self._reserve_s
        if reserve_s is None:
            allowed_s = capped - call.arrived
            reserve_s = max(_RESERVE_S, _RESERVE_SHARE * allowed_s)
            reserve_s += min(self._lag.seconds(call.arrived), _LAG_SHARE * allowed_s)
        return Deadline(capped - reserve_s)


class _Lag:
    """How late the event loop runs: the worst lag that was seen, halved every second."""

    def __init__(self) -> None:
        self._at = self._worst_s = 0.0

    def note(self, at: float, late_s: float) -> None:
        """Notes that the loop was `late_s` seconds late at the instant `at`."""
        if late_s >= self.seconds(at):
            self._at, self._worst_s = at, late_s

    def seconds(self, at: float) -> float:
        """Returns the lag to expect at the instant `at`, seconds."""
        return float(self._worst_s * 0.5 ** ((at - self._at) / _LAG_HALF_LIFE_S))


def _exceeded(call: Call, deadline: Deadline) -> DeadlineExceeded:
    allowed_s = max(0.0, deadline.instant - call.arrived)
    return DeadlineExceeded(
        f"{call.model}: no scores after {call.elapsed_s():.3f} s; the call had {allowed_s:.3f} s for them",
        limit=f"{allowed_s:.3f} s",
    )
