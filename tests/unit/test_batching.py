"""Batching: chunks of a big batch on every worker, small calls together, and nothing coalesced that is better apart."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from waiting import eventually

from bridge.calls import Call, Deadline, DefaultScore, ModelRef, Outcome, Output, Range, now
from bridge.columns import Column, Matrix, Type
from bridge.errors import BridgeError, DeadlineExceeded, InternalError, MalformedPrediction, PredictionFailed
from bridge.layers.batching import Batching
from bridge.layers.deadline import DeadlineLayer
from bridge.layers.drain import Drain
from bridge.testing.clock import ManualClock
from bridge.workload import Workload

LEAST, CHUNK = 100, 1000


class Model:
    """Scores each row by twice its only column, when it is told to."""

    def __init__(self, workers: int) -> None:
        self.workload = Workload(workers)
        self.runs: list[int] = []
        self.go = asyncio.Event()
        self.layer = Batching(self.workload, row_wise=True, coalesce=True, chunk_rows=CHUNK, least_rows=LEAST)

    async def score(self, call: Call) -> Outcome:
        """A run."""
        assert isinstance(call.batch, Matrix)
        self.runs.append(call.rows)
        await self.go.wait()
        return Outcome((Range(0, call.rows, (Column("score", Type.DOUBLE, call.batch.values[:, 0] * 2),)),))

    def begin(self, rows: int, first: float = 0.0) -> "asyncio.Task[Outcome]":
        """A call of rows that count from `first`."""
        values = np.arange(first, first + rows).reshape(rows, 1)
        call = Call("id", ModelRef("m", 1, ""), Matrix((), values), now())
        return asyncio.create_task(self.layer(call, self.score))


def scores(outcome: Outcome) -> list[float]:
    return [score for part in outcome.ranges for column in part.scores for score in column.values.tolist()]


def _ran(model: Model, count: int) -> Callable[[], bool]:
    return lambda: len(model.runs) == count


@pytest.mark.parametrize(
    ("workers", "rows", "runs"), [(2, 400, [256, 144]), (4, 900, [256, 256, 256, 132]), (1, 900, [900])]
)
async def test_a_big_batch_is_at_work_on_every_worker_at_once(workers: int, rows: int, runs: list[int]) -> None:
    model = Model(workers)
    task = model.begin(rows)
    await eventually(_ran(model, len(runs)))
    assert model.runs == runs
    model.go.set()
    assert scores(await task) == [2.0 * row for row in range(rows)]


async def test_the_chunks_of_one_batch_are_never_joined_again() -> None:
    model = Model(2)
    task = model.begin(5 * CHUNK)
    await eventually(_ran(model, 2))
    model.go.set()
    assert scores(await task) == [2.0 * row for row in range(5 * CHUNK)]
    assert model.runs == [CHUNK] * 5


async def test_small_calls_that_wait_are_one_run_and_each_gets_its_own_rows() -> None:
    model = Model(1)
    first = model.begin(3)
    await eventually(_ran(model, 1))
    waiting = [model.begin(2, 100.0 * number) for number in range(1, 6)]
    await eventually(lambda: model.workload.running == 1 and len(model.layer._waiting) == 5)
    model.go.set()
    assert scores(await first) == [0.0, 2.0, 4.0]
    for number, task in enumerate(waiting, 1):
        assert scores(await task) == [200.0 * number, 200.0 * number + 2]
    assert model.runs == [3, 10]


async def test_a_call_that_is_worth_a_worker_is_not_joined() -> None:
    model = Model(1)
    first = model.begin(3)
    await eventually(_ran(model, 1))
    large, small = model.begin(LEAST, 1000.0), model.begin(2, 5000.0)
    await eventually(lambda: len(model.layer._waiting) == 2)
    model.go.set()
    await asyncio.gather(first, small)
    assert scores(await large)[0] == 2000.0
    assert model.runs == [3, LEAST, 2]


async def test_pieces_whose_callers_have_left_do_not_wait_for_a_worker() -> None:
    model = Model(1)
    model.workload.occupy()
    for _ in range(20):
        calls = [model.begin(1) for _ in range(10)]
        await asyncio.sleep(0)
        for task in calls:
            task.cancel()
        await asyncio.wait(calls)
    assert len(model.layer._waiting) == 0
    stays, leaves = model.begin(1), model.begin(1)
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait({leaves})
    model.go.set()
    model.workload.free()
    assert scores(await stays) == [0.0]
    assert model.runs == [1]


async def test_a_run_is_given_up_when_the_last_of_its_callers_has_left() -> None:
    model = Model(1)
    first = model.begin(3)
    await eventually(_ran(model, 1))
    one, other = model.begin(1), model.begin(1)
    await eventually(lambda: len(model.layer._waiting) == 2)
    gate, model.go = model.go, asyncio.Event()
    gate.set()
    await first
    await eventually(_ran(model, 2))
    one.cancel()
    await asyncio.wait({one})
    assert model.workload.running == 1
    other.cancel()
    await asyncio.wait({other})
    await eventually(lambda: model.workload.running == 0)


async def test_a_fault_of_our_own_in_a_run_ends_the_calls_in_it_at_once() -> None:
    model = Model(1)
    first = model.begin(3)
    await eventually(_ran(model, 1))

    async def torn(call: Call) -> Outcome:
        outcome = await model.score(call)
        return outcome if call.rows == 3 else Outcome((outcome.ranges[0], outcome.ranges[0]))

    calls = [Call("id", ModelRef("m", 1, ""), Matrix((), np.zeros((1, 1))), now()) for _ in range(2)]
    waiting = [asyncio.create_task(model.layer(call, torn)) for call in calls]
    await eventually(lambda: len(model.layer._waiting) == 2)
    model.go.set()
    await first
    for outcome in await asyncio.gather(*waiting):
        assert isinstance(outcome.first_failure(), InternalError)


def test_at_the_deadline_a_call_gets_what_is_finished() -> None:
    async def main() -> Outcome:
        model = Model(1)

        async def slow(call: Call) -> Outcome:
            await asyncio.sleep(0.1)
            assert isinstance(call.batch, Matrix)
            return Outcome((Range(0, call.rows, (Column("score", Type.DOUBLE, call.batch.values[:, 0]),)),))

        values = np.arange(3.0 * CHUNK).reshape(-1, 1)
        call = Call("id", ModelRef("m", 1, ""), Matrix((), values), now(), Deadline.after(0.25))
        async with asyncio.timeout_at(call.deadline.instant if call.deadline else None):
            return await model.layer(call, slow)

    outcome = ManualClock.run(main)
    assert scores(outcome) == [float(row) for row in range(2 * CHUNK)]
    assert isinstance(outcome.first_failure(), DeadlineExceeded)


def test_what_is_finished_is_kept_where_the_loop_is_late() -> None:
    async def main() -> Outcome:
        async def slow(call: Call) -> Outcome:
            await asyncio.sleep(0.1)
            assert isinstance(call.batch, Matrix)
            return Outcome((Range(0, call.rows, (Column("score", Type.DOUBLE, call.batch.values[:, 0]),)),))

        loop = asyncio.get_running_loop()
        assert isinstance(loop, ManualClock)
        call = Call("id", ModelRef("m", 1, ""), Matrix((), np.arange(3.0 * CHUNK).reshape(-1, 1)), now())
        # Something keeps the loop busy from just before the deadline until it is over.
        loop.call_later(0.245, loop.pass_at_once, 0.01)
        layer = DeadlineLayer(0.25, 0.25, 0.0, Drain())
        return await layer(call, lambda late: Model(1).layer(late, slow))

    outcome = ManualClock.run(main)
    assert scores(outcome) == [float(row) for row in range(2 * CHUNK)]
    assert isinstance(outcome.first_failure(), DeadlineExceeded)


async def test_a_caller_that_leaves_at_the_last_moment_is_gone() -> None:
    model = Model(1)
    task = model.begin(3 * CHUNK)
    await eventually(_ran(model, 1))
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


class Fragile:
    """Scores rows by themselves, and fails for some: a run that has one of them raises or gives too few scores."""

    def __init__(self, bad: set[float], error: type[BridgeError]) -> None:
        self.layer = Batching(Workload(1), row_wise=True, coalesce=True, chunk_rows=CHUNK, least_rows=LEAST)
        self.runs: list[int] = []
        self._bad = bad
        self._error = error

    async def score(self, call: Call) -> Outcome:
        """A run."""
        assert isinstance(call.batch, Matrix)
        self.runs.append(call.rows)
        if not self._bad.isdisjoint(call.batch.values[:, 0].tolist()):
            raise self._error("m/1: a bad row")
        return Outcome((Range(0, call.rows, (Column("score", Type.DOUBLE, call.batch.values[:, 0]),)),))

    async def ask(self, rows: int, *defaults: DefaultScore, partial: bool = False) -> Outcome:
        """A call of rows that count from 0."""
        values = np.arange(rows, dtype=np.float64).reshape(rows, 1)
        call = Call("id", ModelRef("m", 1, ""), Matrix((), values), now(), None, defaults, partial=partial)
        return await self.layer(call, self.score)


HALF = DefaultScore(Output("score", Type.DOUBLE), 0.5)


@pytest.mark.parametrize("error", [PredictionFailed, MalformedPrediction])
@pytest.mark.parametrize(("defaults", "partial"), [((HALF,), False), ((), True), ((HALF,), True)])
@pytest.mark.parametrize("rows", [2, 50, 2 * CHUNK + 300])
async def test_bad_rows_are_found_where_the_others_scores_are_of_use(
    error: type[BridgeError], defaults: tuple[DefaultScore, ...], partial: bool, rows: int
) -> None:
    bad = {0.0, rows - 1.0}
    outcome = await Fragile(bad, error).ask(rows, *defaults, partial=partial)
    assert {float(part.first) for part in outcome.ranges if part.failed} == bad
    assert all(part.count == 1 and isinstance(part.error, error) for part in outcome.ranges if part.failed)
    assert scores(outcome) == [float(row) for row in range(rows) if row not in bad]


@pytest.mark.parametrize("error", [PredictionFailed, MalformedPrediction])
async def test_a_call_that_fails_anyhow_is_not_asked_again_in_halves(error: type[BridgeError]) -> None:
    model = Fragile({3.0}, error)
    with pytest.raises(error):
        await model.ask(50)
    assert model.runs == [50]
