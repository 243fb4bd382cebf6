"""Python workers that end: by themselves, by the kernel's hand and from outside; and what they do to their socket."""

import asyncio
import os
import signal

import pytest
from scorebridge import PredictionFailed, Source
from sick import DEFAULT, Sick, StartSick
from waiting import eventually

ENDS = ["exit", "abort", "segfault", "close", "close_all", "garbage", "announce"]


@pytest.mark.parametrize("do", ENDS)
async def test_it_costs_the_call_and_nothing_else(python_sick: Sick, do: str) -> None:
    before = python_sick.workers()
    async with python_sick.others_served():
        answer = await python_sick.call(do, [1.0, 2.0])
        assert answer.reasons == ["WORKER_LOST", "WORKER_LOST"]
        assert answer.scores.tolist() == [DEFAULT, DEFAULT]
        await python_sick.recovers(before)


SAID = {
    "exit": "the worker closed the connection",
    "abort": "it ended by SIGABRT",
    "segfault": "it ended by SIGSEGV",
    "garbage": "the Python worker sent a message that is not the next one",
    "announce": "the Python worker announced a head of 4294967295 bytes",
}


@pytest.mark.parametrize("do", SAID)
async def test_how_it_was_lost_is_told(start_python_sick: StartSick, do: str) -> None:
    sick = await start_python_sick("retry = {attempts = 1}\n", default=False)
    with pytest.raises(Exception, match=rf"the Python worker was lost after [\d.]+ s: ({SAID[do]})") as raised:
        await sick.call(do)
    assert getattr(raised.value, "reason", "") == "WORKER_LOST"
    await sick.recovers(set())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_call_whose_worker_is_killed_from_outside_is_given_to_another(
    python_sick: Sick, number: signal.Signals
) -> None:
    async with python_sick.others_served():
        call = asyncio.create_task(python_sick.call("nap", [0.5]))
        await eventually(lambda: python_sick.snapshot().leased)
        (busy,) = python_sick.snapshot().pids - python_sick.snapshot().idle_pids
        os.kill(busy, number)
        answer = await call
        assert (answer.source, answer.scores.tolist(), answer.attempts) == (Source.MODEL, [1.0], 2)
        await python_sick.recovers({busy})


async def test_an_idle_worker_that_dies_is_replaced_before_anyone_notices(python_sick: Sick) -> None:
    before = python_sick.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await python_sick.recovers(before)


@pytest.mark.parametrize("do", ["memory", "grow"])
async def test_no_memory_is_the_model_s_own_error_and_its_worker_is_replaced(
    start_python_sick: StartSick, do: str
) -> None:
    sick = await start_python_sick("memory_limit_mb = 1500\n")
    before = sick.workers()
    async with sick.others_served():
        answer = await sick.call(do)
        assert answer.reasons == ["MODEL_ERROR"]
        assert "raised 'MemoryError'" in answer.defaults[0].detail
        await eventually(lambda: sick.snapshot().replaced == 1)
        await sick.recovers(before - sick.workers())
    assert len(before & sick.workers()) == 1


async def test_without_a_limit_a_single_piece_that_is_larger_than_the_machine_is_refused_too(
    start_python_sick: StartSick,
) -> None:
    sick = await start_python_sick(default=False)
    with pytest.raises(PredictionFailed, match="raised 'MemoryError'") as raised:
        await sick.call("memory")
    assert raised.value.reason == "MODEL_ERROR"
    await sick.recovers(set())
