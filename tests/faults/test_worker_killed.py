"""A worker that is killed: in a call, twice in a call, and when idle."""

import asyncio
import os
import signal

import pytest
from scorebridge import Source, Unavailable
from sick import Sick, StartSick
from waiting import eventually


async def _kill_whoever_naps(sick: Sick) -> int:
    """Kills the worker that is at work; which it was."""
    await eventually(lambda: sick.snapshot().leased)
    (busy,) = sick.snapshot().pids - sick.snapshot().idle_pids
    os.kill(busy, signal.SIGKILL)
    return busy


async def test_a_call_whose_worker_dies_is_given_to_another(sick: Sick) -> None:
    call = asyncio.create_task(sick.call("nap", [0.3]))
    lost = await _kill_whoever_naps(sick)
    answer = await call
    assert answer.source is Source.MODEL
    assert answer.scores.tolist() == [0.6]
    assert answer.attempts == 2
    await sick.recovers({lost})


@pytest.mark.parametrize("attempts", [2, 4])
@pytest.mark.parametrize("default", [True, False])
async def test_a_call_that_lost_a_worker_in_each_attempt_is_given_no_other(
    start_sick: StartSick, attempts: int, *, default: bool
) -> None:
    sick = await start_sick(f"workers = 3\nretry = {{attempts = {attempts}}}", default=default)
    before = sick.workers()
    if default:
        answer = await sick.call("quit", [1.0, 2.0])
        assert answer.reasons == ["WORKER_LOST", "WORKER_LOST"]
        assert answer.attempts == attempts
    else:
        with pytest.raises(Exception, match=f"lost {attempts} workers") as raised:
            await sick.call("quit", [1.0, 2.0])
        assert getattr(raised.value, "reason", "") == "POISON_CALL"
    await eventually(lambda: len(sick.workers()) == 3 and len(sick.workers() - before) >= 2)
    assert (await sick.call("score", [3.0])).scores.tolist() == [6.0]


@pytest.mark.parametrize("default", [True, False])
async def test_without_a_second_attempt_the_loss_is_what_it_is(start_sick: StartSick, default: bool) -> None:
    sick = await start_sick("retry = {attempts = 1}", default=default)
    if default:
        answer = await sick.call("quit")
        assert answer.reasons == ["WORKER_LOST"]
        assert answer.attempts == 1
    else:
        with pytest.raises(Unavailable) as raised:
            await sick.call("quit")
        assert raised.value.reason == "WORKER_LOST"
    assert (await sick.call("score", [3.0])).scores.tolist() == [6.0]


async def test_an_idle_worker_that_dies_is_replaced_before_anyone_notices(sick: Sick) -> None:
    before = sick.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await sick.recovers(before)
