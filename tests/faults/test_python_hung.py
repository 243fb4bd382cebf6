"""Python functions that never end: sleeps, loops of Python and of C, and what such a call has started."""

import time

import pytest
from scorebridge import DeadlineExceeded, Source
from sick import DEFAULT, Sick, StartSick
from waiting import eventually

HUNG = ["sleep", "loop", "c_loop", "regex", "ignore", "stop", "children"]


@pytest.mark.parametrize("do", HUNG)
async def test_the_default_comes_in_time_and_the_worker_is_gone_with_all_it_started(python_sick: Sick, do: str) -> None:
    before = python_sick.workers()
    began = time.monotonic()
    async with python_sick.others_served():
        answer = await python_sick.call(do, [1.0, 2.0], timeout_s=0.4)
        assert time.monotonic() - began < 5
        assert answer.reasons == ["DEADLINE", "DEADLINE"]
        assert answer.scores.tolist() == [DEFAULT, DEFAULT]
        await eventually(lambda: len(before - python_sick.workers()) == 1)
        await python_sick.recovers(before - python_sick.workers())
    assert len(before & python_sick.workers()) == 1


async def test_without_a_default_it_is_the_typed_error(start_python_sick: StartSick) -> None:
    sick = await start_python_sick(default=False)
    with pytest.raises(DeadlineExceeded) as raised:
        await sick.call("loop", timeout_s=0.4)
    assert raised.value.reason == "DEADLINE"
    await sick.recovers(set())


async def test_a_late_answer_is_dropped_and_its_worker_replaced(python_sick: Sick) -> None:
    before = python_sick.workers()
    late = await python_sick.call("nap", [0.45], timeout_s=0.3)
    assert late.reasons == ["DEADLINE"]
    # Whether the dropped call has left something behind is said in the answer that nobody read.
    await eventually(lambda: python_sick.snapshot().replaced == 1)
    assert python_sick.snapshot().overrun == 0
    await python_sick.recovers(before - python_sick.workers())


async def test_a_worker_may_take_longer_than_its_limit_while_somebody_waits(python_sick: Sick) -> None:
    before = python_sick.workers()
    answer = await python_sick.call("nap", [0.8], timeout_s=10)
    assert answer.source is Source.MODEL
    assert python_sick.workers() == before
