"""Retry: how often, until when, and at whose expense; on a clock that moves only when everybody waits."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from bridge.calls import Call, Deadline, ModelRef, Outcome, Range, now
from bridge.columns import Matrix, Type, constant
from bridge.errors import BridgeError, PoisonCall, WorkerLost
from bridge.layers.batching import Batching
from bridge.layers.retry import Retry, RetryBudget
from bridge.testing.clock import ManualClock
from bridge.workload import Workload

PLENTY = 100.0


def call(rows: int = 1, timeout_s: float = 10.0) -> Call:
    return Call("id", ModelRef("m", 1, ""), Matrix((), np.zeros((rows, 1))), now(), Deadline.after(timeout_s))


class Workers:
    """Loses every call but those whose numbers are named."""

    def __init__(self, *answered: int) -> None:
        self.asked = 0
        self._answered = answered

    async def __call__(self, asked: Call) -> Outcome:
        """One attempt."""
        self.asked += 1
        if self.asked not in self._answered:
            raise WorkerLost("lost")
        return Outcome((Range(0, asked.rows, (constant("score", Type.DOUBLE, 1.0, asked.rows),)),))


def end_of(workers: Workers, *, attempts: int = 2, budget: float = PLENTY, backoff_s: float = 0.0) -> str:
    async def main() -> str:
        retry = Retry(attempts, backoff_s, RetryBudget(0.0, 0.0, budget))
        try:
            await retry(call(timeout_s=1.0), workers)
        except BridgeError as error:
            return error.reason
        return "OK"

    return ManualClock.run(main)


def test_a_lost_worker_is_followed_by_another_one() -> None:
    workers = Workers(2)
    assert (end_of(workers), workers.asked) == ("OK", 2)


@pytest.mark.parametrize("attempts", [2, 3, 9, 1100])
def test_a_call_that_lost_all_of_its_attempts_is_taken_for_the_cause(attempts: int) -> None:
    workers = Workers()
    assert (end_of(workers, attempts=attempts, budget=2.0 * attempts), workers.asked) == (PoisonCall.reason, attempts)


@pytest.mark.parametrize("attempts", [2, 3, 9])
def test_the_last_attempt_counts_like_the_others(attempts: int) -> None:
    workers = Workers(attempts)
    assert (end_of(workers, attempts=attempts), workers.asked) == ("OK", attempts)


def test_pauses_double_up_to_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = list[float]()

    def noted(_: float, most: float) -> float:
        longest.append(most)
        return 0.0

    monkeypatch.setattr("random.uniform", noted)
    end_of(Workers(), attempts=6, backoff_s=0.1)
    assert longest == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_one_attempt_is_one_attempt() -> None:
    workers = Workers(2)
    assert (end_of(workers, attempts=1), workers.asked) == (WorkerLost.reason, 1)


def test_an_empty_budget_allows_no_retry() -> None:
    workers = Workers(2)
    assert (end_of(workers, budget=0.0), workers.asked) == (WorkerLost.reason, 1)


def test_no_pause_ends_behind_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    workers = Workers(2)
    assert (end_of(workers, backoff_s=2.0), workers.asked) == (WorkerLost.reason, 1)


def test_calls_earn_retries_and_seconds_do() -> None:
    async def main() -> list[bool]:
        budget = RetryBudget(share=0.5, floor_per_s=2.0, most=2.0)
        taken = [budget.withdraw(), budget.withdraw()]
        budget.deposit()
        budget.deposit()
        taken += [budget.withdraw(), budget.withdraw()]
        await asyncio.sleep(0.5)
        return [*taken, budget.withdraw()]

    assert ManualClock.run(main) == [True, False, True, False, True]


def coalesced(answered: set[int], *, attempts: int, budget: float, callers: int = 20) -> tuple[int, int]:
    """How many workers were asked, and callers answered, when a coalesced batch of so many callers lost its worker."""

    async def main() -> tuple[int, int]:
        gate = asyncio.Event()
        workers = Workers(1, *answered)
        retry = Retry(attempts, 0.0, RetryBudget(0.0, 0.0, budget))
        layer = Batching(Workload(1), row_wise=True, coalesce=True, chunk_rows=1000, least_rows=100)

        async def held(asked: Call) -> Outcome:
            if not workers.asked:
                outcome = await workers(asked)
                await gate.wait()
                return outcome
            return await retry(asked, workers)

        first = asyncio.create_task(layer(call(5), held))
        await asyncio.sleep(0.01)
        members = [asyncio.create_task(layer(replace(call(5), request_id=str(one)), held)) for one in range(callers)]
        await asyncio.sleep(0.01)
        gate.set()
        await first
        outcomes = await asyncio.gather(*members)
        return workers.asked - 1, sum(outcome.first_failure() is None for outcome in outcomes)

    return ManualClock.run(main)


def test_the_one_of_many_that_kills_workers_costs_the_others_nothing() -> None:
    # The coalesced batch (2) is lost, then the first call alone (3).
    assert coalesced(set(range(4, 30)), attempts=2, budget=4.0) == (21, 19)


def test_coalesced_calls_keep_to_the_attempts_and_the_budget() -> None:
    assert coalesced(set(), attempts=1, budget=PLENTY) == (1, 0)
    assert coalesced(set(), attempts=2, budget=0.0) == (1, 0)
    # Half of the budget is there at first: each call that is lost again takes one.
    assert coalesced(set(), attempts=2, budget=10.0) == (1 + 5, 0)
