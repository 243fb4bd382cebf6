"""Circuit: what counts for it and what does not, on a clock that moves only when everybody waits."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from bridge.calls import Call, Deadline, ModelRef, Outcome, Range, now
from bridge.columns import Matrix, Type, constant
from bridge.errors import (
    BridgeError,
    CircuitOpen,
    DeadlineExceeded,
    MalformedPrediction,
    Overloaded,
    PoisonCall,
    PredictionFailed,
    WorkerLost,
)
from bridge.layers.batching import Batching
from bridge.layers.circuit import Circuit, CircuitState
from bridge.testing.clock import ManualClock
from bridge.workload import Workload

SCORED = Outcome((Range(0, 1, (constant("score", Type.DOUBLE, 1.0, 1),)),))
OPEN_S = 5.0


def call(timeout_s: float = 1.0) -> Call:
    return Call("id", ModelRef("m", 1, ""), Matrix((), np.zeros((1, 1))), now(), Deadline.after(timeout_s))


async def ask(circuit: Circuit, answer: Outcome | BridgeError) -> Outcome | BridgeError:
    async def inner(_: Call) -> Outcome:
        if isinstance(answer, BridgeError):
            raise answer
        return answer

    try:
        return await circuit(call(), inner)
    except BridgeError as error:
        return error


def state_after(answers: Sequence[Outcome | BridgeError], failures: int = 3) -> CircuitState:
    async def main() -> CircuitState:
        circuit = Circuit(failures, OPEN_S, None, 1.0)
        for answer in answers:
            await ask(circuit, answer)
        state = circuit.state
        await circuit.stop()
        return state

    return ManualClock.run(main)


@pytest.mark.parametrize("error", [WorkerLost("x"), PoisonCall("x"), MalformedPrediction("x")])
@pytest.mark.parametrize("in_range", [True, False])
def test_failures_of_the_model_in_a_row_open_it(error: BridgeError, in_range: bool) -> None:
    failure = Outcome.failed(1, error) if in_range else error
    assert state_after([failure, failure]) is CircuitState.CLOSED
    assert state_after([failure, failure, failure]) is CircuitState.OPEN


@pytest.mark.parametrize("between", [SCORED, PredictionFailed("x"), Outcome.failed(1, PredictionFailed("x"))])
def test_a_model_that_answers_in_between_is_there(between: Outcome | BridgeError) -> None:
    lost = WorkerLost("x")
    assert state_after([lost, lost, between, lost, lost]) is CircuitState.CLOSED


@pytest.mark.parametrize(
    "between", [DeadlineExceeded("x"), Outcome.failed(1, DeadlineExceeded("x")), Overloaded("x"), Outcome(())]
)
def test_what_no_worker_was_asked_says_nothing(between: Outcome | BridgeError) -> None:
    lost = WorkerLost("x")
    assert state_after([lost, between, lost, between, lost]) is CircuitState.OPEN
    assert state_after([between] * 5) is CircuitState.CLOSED


def test_rows_that_were_scored_beside_rows_out_of_time_are_an_answer() -> None:
    lost = WorkerLost("x")
    both = Outcome((*SCORED.ranges, Range(1, 1, error=DeadlineExceeded("x"))))
    assert state_after([lost, lost, both, lost]) is CircuitState.CLOSED


def test_a_hanging_model_opens_it_although_calls_wait_in_the_queue_meanwhile() -> None:
    async def main() -> CircuitState:
        workload = Workload(1)
        circuit = Circuit(3, OPEN_S, None, 1.0)
        workload.on_overrun = circuit.overrun
        layer = Batching(workload, row_wise=True, coalesce=True, chunk_rows=1000, least_rows=100)
        settling: set[asyncio.Task[None]] = set()

        async def settle() -> None:
            await asyncio.sleep(0.15)
            workload.on_overrun()
            workload.free()

        async def hangs(_: Call) -> Outcome:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                workload.occupy()
                settling.add(asyncio.create_task(settle()))
            raise AssertionError

        async def one(timeout_s: float) -> None:
            try:
                async with asyncio.timeout(timeout_s):
                    await circuit(call(timeout_s), lambda asked: layer(asked, hangs))
            except (TimeoutError, CircuitOpen):
                return

        for _ in range(4):
            await asyncio.gather(*(one(0.05 + 0.01 * number) for number in range(4)))
            await asyncio.sleep(0.12)
        state = circuit.state
        await asyncio.gather(*settling)
        await circuit.stop()
        return state

    assert ManualClock.run(main) is CircuitState.OPEN


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (SCORED, CircuitState.CLOSED),
        (WorkerLost("x"), CircuitState.OPEN),
        (DeadlineExceeded("x"), CircuitState.OPEN),
        (Outcome.failed(1, DeadlineExceeded("x")), CircuitState.OPEN),
    ],
)
def test_without_a_row_to_ask_with_one_call_decides(answer: Outcome | BridgeError, state: CircuitState) -> None:
    async def main() -> CircuitState:
        circuit = Circuit(1, OPEN_S, None, 1.0)
        await ask(circuit, WorkerLost("x"))
        assert isinstance(await ask(circuit, SCORED), CircuitOpen)
        await asyncio.sleep(OPEN_S + 0.1)
        assert circuit.state is CircuitState.HALF_OPEN
        await ask(circuit, answer)
        after = circuit.state
        await circuit.stop()
        return after

    assert ManualClock.run(main) is state
