"""Retry: a call whose worker was lost is given to another one, within its deadline and the model's budget."""

import asyncio
import random

from bridge.calls import Call, Outcome, Scorer, now
from bridge.errors import PoisonCall, WorkerLost

__all__ = ["Retry", "RetryBudget"]

_MAX_BACKOFF_S = 1.0


class RetryBudget:
    """How many retries all calls of a model may make together: a share of the calls, and a few a second at least.

    Without it, a model whose workers all die would be asked twice as often as usual (Finagle's RetryBudget).
    """

    def __init__(self, share: float = 0.2, floor_per_s: float = 2.0, most: float = 20.0) -> None:
        self._share = share
        self._floor_per_s = floor_per_s
        self._most = most
        self._balance = most / 2
        self._at = 0.0

    def deposit(self) -> None:
        """A call began, which earns its share of a retry."""
        self._add(self._share)

    def withdraw(self) -> bool:
        """Takes one retry out, if there is one."""
        if self.spent():
            return False
        self._balance -= 1
        return True

    def spent(self) -> bool:
        """There is no retry left."""
        at = now()
        self._add((at - self._at) * self._floor_per_s if self._at else 0.0)
        self._at = at
        return self._balance < 1

    def _add(self, amount: float) -> None:
        self._balance = min(self._most, self._balance + amount)


class Retry:
    """Repeats calls that lost their worker; nothing else.

    Args:
        attempts: how often a worker may be asked for one call, the first time included.
        backoff_s: the longest pause before the second attempt, seconds. It doubles with each further one, up to 1 s;
            each pause is random below it (full jitter).
        budget: shared by all calls of the model.
    """

    def __init__(self, attempts: int, backoff_s: float, budget: RetryBudget) -> None:
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._budget = budget

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Asks until a worker answers, or there is no more time, budget or attempt.

        A call that lost a worker in a coalesced batch has made an attempt: what it gets here is a retry.

        Raises:
            WorkerLost: the last attempt lost its worker.
            PoisonCall: so did all of `attempts`, which were several: the call is taken for the cause.
        """
        lost = call.lost
        if lost and (lost >= self._attempts or self._budget.spent()):
            raise WorkerLost(f"{call.model}: the worker was lost after {call.elapsed_s():.3f} s, with no retry left")
        self._budget.deposit()
        while True:
            try:
                return await inner(call)
            except WorkerLost as error:
                if lost and lost == call.lost:
                    # Only now: those that were coalesced with the one that kills workers must not spend what it needs.
                    self._budget.withdraw()
                lost += 1
                longest_s = min(_MAX_BACKOFF_S, self._backoff_s * 2 ** (lost - 1))
                pause_s = random.uniform(0, longest_s)  # noqa: S311 - no secret
                if not self._goes_on(call, lost, pause_s, error):
                    raise
            await asyncio.sleep(pause_s)

    def _goes_on(self, call: Call, lost: int, pause_s: float, error: WorkerLost) -> bool:
        """Whether another worker is asked after the pause; takes the retry from the budget if so."""
        # A coalesced batch is repeated by batching, each call for itself: none can spend the others' chances.
        if call.coalesced:
            return False
        if lost >= self._attempts:
            if lost > 1:
                raise PoisonCall(f"{call.model}: the call lost {lost} workers and gets no other") from error
            return False
        in_time = call.deadline is None or call.deadline.remaining_s() > pause_s
        return in_time and self._budget.withdraw()
