"""The retry layer: gives a call whose worker was lost to another worker, within its deadline and the retry budget."""

import asyncio
import random

from bridge.attempts import Attempts
from bridge.calls import Call, Outcome, Scorer, now
from bridge.errors import BridgeError, InternalError, PoisonCall, WorkerLost

__all__ = ["Retry", "RetryBudget"]

_MAX_BACKOFF_S = 1.0
_MOST_DOUBLINGS = 30  # a model may allow any number of attempts, and a float holds no more than 1,023 doublings


class RetryBudget:
    """Bounds the retries that all calls of a model may make together (after Finagle's RetryBudget).

    Without it, a model whose workers all die would be asked twice as often as usual.

    Args:
        share: the part of a retry that each call earns.
        floor_per_s: the retries that each second adds, whatever the number of calls.
        most: the most retries that can be saved up; the budget begins with half of them.
    """

    def __init__(self, share: float = 0.2, floor_per_s: float = 2.0, most: float = 20.0) -> None:
        self._share = share
        self._floor_per_s = floor_per_s
        self._most = most
        self._balance = most / 2
        self._at = 0.0

    def deposit(self) -> None:
        """Adds the share of a retry that one call earns; for each call that begins."""
        self._add(self._share)

    def withdraw(self) -> bool:
        """Takes one retry out of the budget; returns False if none is left."""
        if self.spent():
            return False
        self._balance -= 1
        return True

    def spent(self) -> bool:
        """Whether no retry is left in the budget."""
        at = now()
        self._add((at - self._at) * self._floor_per_s if self._at else 0.0)
        self._at = at
        return self._balance < 1

    def _add(self, amount: float) -> None:
        self._balance = min(self._most, self._balance + amount)


class Retry:
    """Repeats calls that lost their worker; no other failure is repeated.

    Args:
        attempts: the most attempts for one call, the first included.
        backoff_s: the longest pause before the second attempt, seconds. It doubles with each further attempt, up to
            1 s; the pause is random between 0 and that (full jitter).
        budget: the retry budget that all calls of the model share.
    """

    def __init__(self, attempts: int, backoff_s: float, budget: RetryBudget) -> None:
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._budget = budget

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Asks workers until one answers, or no time, budget or attempt is left.

        A call that lost a worker in a coalesced batch has had that attempt already; its execution here is a retry.

        Raises:
            WorkerLost: the last attempt lost its worker, and no other is made.
            PoisonCall: the call lost a worker in each of its `attempts`, more than one: it is taken for the cause.
        """
        lost = call.lost
        if lost and (lost >= self._attempts or self._budget.spent()):
            raise WorkerLost(f"{call.model}: the worker was lost after {call.elapsed_s():.3f} s, with no retry left")
        self._budget.deposit()
        while True:
            try:
                return await (inner(call) if call.trace.noted is None else _noted(call, inner, call.trace.noted))
            except WorkerLost as error:
                if lost and lost == call.lost:
                    # The retry is paid for only when it fails too: calls that were coalesced with the one that kills
                    # workers succeed alone, and must not use up the budget.
                    self._budget.withdraw()
                lost += 1
                longest_s = min(_MAX_BACKOFF_S, self._backoff_s * 2.0 ** min(lost - 1, _MOST_DOUBLINGS))
                pause_s = random.uniform(0, longest_s)  # noqa: S311 - no secret
                if not self._goes_on(call, lost, pause_s, error):
                    raise
            await asyncio.sleep(pause_s)

    def _goes_on(self, call: Call, lost: int, pause_s: float, error: WorkerLost) -> bool:
        """Whether another worker is asked after the pause; takes the retry from the budget if so."""
        # Batching repeats a coalesced batch, each call by itself: so no call can use up the attempts of the others.
        if call.coalesced:
            return False
        if lost >= self._attempts:
            if lost > 1:
                raise PoisonCall(
                    f"{call.model}: the call lost {lost} workers in a row, is taken for the cause and is not repeated"
                ) from error
            return False
        in_time = call.deadline is None or call.deadline.remaining_s() > pause_s
        return in_time and self._budget.withdraw()


async def _noted(call: Call, inner: Scorer, attempts: Attempts) -> Outcome:
    attempt = attempts.begin(now(), call.rows, coalesced=call.coalesced)
    try:
        return await inner(call)
    except BridgeError as error:
        attempt.reason = error.reason
        raise
    except asyncio.CancelledError:
        attempt.reason = "CANCELLED"
        raise
    except Exception:
        attempt.reason = InternalError.reason
        raise
    finally:
        attempt.ended = now()
