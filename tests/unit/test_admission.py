"""Admission: who is let in, who is turned away and why; on a clock that moves only when everybody waits."""

import asyncio

import numpy as np
import pytest

from bridge.calls import Call, Deadline, ModelRef, Outcome, now
from bridge.columns import Matrix
from bridge.errors import Overloaded
from bridge.layers.admission import Admission
from bridge.testing.clock import ManualClock
from bridge.workload import Workload

EMPTY = Outcome(())


async def scored(_: Call) -> Outcome:
    return EMPTY


def call(rows: int, timeout_s: float | None = None) -> Call:
    deadline = None if timeout_s is None else Deadline.after(timeout_s)
    return Call("id", ModelRef("m", 1, ""), Matrix((), np.zeros((rows, 1))), now(), deadline)


def refusal(*, rows: int = 10, timeout_s: float | None = None, pending: int = 0, busy: bool = True) -> str:
    """Why a call is turned away by a model of two workers that takes 1 ms a row and 10 ms a run; empty if it is not."""

    async def main() -> str:
        workload = Workload(2, running=2 if busy else 1, pending_rows=pending)
        for ran in (10, 100):
            workload.cost.learn(ran, 0.01 + 0.001 * ran)
        try:
            await Admission(workload, 1000)(call(rows, timeout_s), scored)
        except Overloaded as error:
            return error.limit
        assert workload.pending_rows == pending
        return ""

    return ManualClock.run(main)


def test_while_a_worker_is_free_nobody_is_turned_away() -> None:
    assert refusal(rows=2000, timeout_s=0.001, pending=5000, busy=False) == ""


@pytest.mark.parametrize(("pending", "limit"), [(990, ""), (991, "1000 rows")])
def test_pending_rows_are_bounded(pending: int, limit: str) -> None:
    assert refusal(pending=pending) == limit


@pytest.mark.parametrize(
    ("timeout_s", "limit"),
    # 100 rows wait, in two runs: 0.12 s of work for two workers, then 0.02 s for its own; and 15 % more.
    [(0.093, ""), (0.091, "0.091 s"), (None, "")],
)
def test_a_call_that_could_not_finish_in_time_is_turned_away_at_once(timeout_s: float | None, limit: str) -> None:
    assert refusal(pending=100, timeout_s=timeout_s) == limit


def test_what_ran_long_ago_turns_nobody_away() -> None:
    async def main() -> Outcome:
        workload = Workload(1, running=1)
        workload.cost.learn(1, 100.0)
        await asyncio.sleep(60.0)
        return await Admission(workload, 1000)(call(1, 0.001), scored)

    assert ManualClock.run(main) is EMPTY


def test_rows_no_longer_count_once_their_call_was_cancelled() -> None:
    async def main() -> int:
        workload = Workload(1)

        async def never(_: Call) -> Outcome:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        task = asyncio.create_task(Admission(workload, 1000)(call(7), never))
        await asyncio.sleep(0)
        assert workload.pending_rows == 7
        task.cancel()
        await asyncio.wait({task})
        return workload.pending_rows

    assert ManualClock.run(main) == 0
