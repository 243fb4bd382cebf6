"""Retry: a call whose worker was lost is given to another one, within its deadline and the model's budget."""

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential
from tenacity.wait import wait_base

from bridge.calls import Call, Outcome, Scorer, now
from bridge.errors import PoisonCall, WorkerLost

__all__ = ["Retry", "RetryBudget"]

_MOST_LOST = 2  # a call that lost two workers is taken for the cause
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
        """A call began."""
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
        backoff_s: the longest pause before the second attempt, seconds; the pause is random (full jitter).
        budget: shared by all calls of the model.
    """

    def __init__(self, attempts: int, backoff_s: float, budget: RetryBudget) -> None:
        self._attempts = attempts
        self._wait: wait_base = wait_random_exponential(multiplier=backoff_s, max=_MAX_BACKOFF_S)
        self._budget = budget

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Asks until a worker answers or there is no more time, budget or attempt.

        A call that lost a worker together with others has made an attempt: what it gets here is a retry.

        Raises:
            WorkerLost: the last attempt lost its worker.
            PoisonCall: the call has lost two.
        """
        if call.lost and (call.lost >= self._attempts or self._budget.spent()):
            raise WorkerLost(f"{call.model}: the R worker was lost after {call.elapsed_s():.3f} s, with no retry left")
        self._budget.deposit()
        try:
            return await inner(call)
        except WorkerLost as error:
            if call.lost:
                # Only now: those that were joined with the one that kills workers must not spend what it needs.
                self._budget.withdraw()
            losses = _Losses(call, inner)
            losses.add(error)
        # Only now, because making it costs a call more than all other layers together.
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(WorkerLost),
            stop=lambda state: self._over(call, state),
            wait=self._wait,
            reraise=True,
        )
        return await retrying(losses.attempt)

    def _over(self, call: Call, state: RetryCallState) -> bool:
        # A joint call is repeated by batching, each member for itself: none can spend the others' chances.
        if call.joint or call.lost + state.attempt_number >= self._attempts:
            return True
        if call.deadline is not None and call.deadline.remaining_s() <= state.upcoming_sleep:
            return True
        return not self._budget.withdraw()


class _Losses:
    """One call's attempts, and how many workers they cost."""

    def __init__(self, call: Call, inner: Scorer) -> None:
        self._call = call
        self._inner = inner
        self._lost = call.lost
        self._first: WorkerLost | None = None  # of the attempt that was made already, for tenacity to see

    def add(self, error: WorkerLost) -> None:
        """The first attempt lost its worker."""
        self._count(error)
        self._first = error

    async def attempt(self) -> Outcome:
        if self._first is not None:
            error, self._first = self._first, None
            raise error
        try:
            return await self._inner(self._call)
        except WorkerLost as error:
            self._count(error)
            raise

    def _count(self, error: WorkerLost) -> None:
        self._lost += 1
        if self._lost >= _MOST_LOST and not self._call.joint:
            raise PoisonCall(f"{self._call.model}: the call lost {self._lost} workers and gets no other") from error
