"""Calls that never end: a loop in R, a loop in C, a sleep, and what such a call has started."""

import asyncio
import time

import psutil
import pytest
from scorebridge import DeadlineExceeded, Source
from sick import DEFAULT, Sick, StartSick
from waiting import eventually


@pytest.mark.parametrize("do", ["loop", "c_loop", "sleep", "children"])
async def test_the_default_comes_in_time_and_the_worker_is_gone_with_all_it_started(sick: Sick, do: str) -> None:
    before = sick.workers()
    began = time.monotonic()
    answer = await sick.call(do, [1.0, 2.0], timeout_s=0.4)
    assert time.monotonic() - began < 5
    assert answer.reasons == ["DEADLINE", "DEADLINE"]
    assert answer.scores.tolist() == [DEFAULT, DEFAULT]
    await eventually(lambda: len(before - sick.workers()) == 1)
    await sick.recovers(before - sick.workers())
    assert len(before & sick.workers()) == 1


async def test_the_cpu_is_free_again(sick: Sick) -> None:
    await sick.call("loop", timeout_s=0.3)
    before = sick.workers()
    await eventually(lambda: sick.workers() != before)
    assert all(psutil.Process(pid).cpu_times().user < 5 for pid in sick.workers())
    await sick.recovers(set())


async def test_without_a_default_it_is_the_typed_error(start_sick: StartSick) -> None:
    sick = await start_sick(default=False)
    with pytest.raises(DeadlineExceeded) as raised:
        await sick.call("loop", timeout_s=0.4)
    assert raised.value.reason == "DEADLINE"
    await sick.recovers(set())


async def test_the_model_s_own_time_counts_where_the_caller_sets_none(start_sick: StartSick) -> None:
    sick = await start_sick("timeout_s = 0.2")
    answer = await sick.call("sleep", timeout_s=None)
    assert answer.reasons == ["DEADLINE"]
    await sick.recovers(set())


async def test_a_late_answer_is_dropped_and_its_worker_kept(sick: Sick) -> None:
    before = sick.workers()
    late = await sick.call("nap", [0.45], timeout_s=0.3)
    assert late.reasons == ["DEADLINE"]
    answers = await asyncio.gather(*(sick.call("score", [float(n)]) for n in range(20)))
    assert [answer.scores[0] for answer in answers] == [2.0 * n for n in range(20)]
    await eventually(lambda: sick.snapshot().idle == 2)
    assert sick.workers() == before


async def test_a_worker_may_take_longer_than_its_limit_while_somebody_waits(sick: Sick) -> None:
    before = sick.workers()
    answer = await sick.call("nap", [0.8], timeout_s=10)
    assert answer.source is Source.MODEL
    assert sick.workers() == before


@pytest.mark.parametrize("timeout_s", [0.001, 0.005])
async def test_a_deadline_too_short_for_any_answer_touches_no_worker(start_sick: StartSick, timeout_s: float) -> None:
    sick = await start_sick("reply_reserve_s = 0.5")
    answer = await sick.call("score", timeout_s=0.4)
    assert answer.reasons == ["DEADLINE"]
    assert answer.attempts == 0
    with pytest.raises(DeadlineExceeded):
        await sick.call("score", timeout_s=timeout_s, allow_default=False)
    await sick.recovers(set())
