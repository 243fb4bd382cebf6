"""Python functions that start more processes than `process_limit`, all of which end by themselves after 30 s."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from scorebridge import Source, Unavailable
from sick import DEFAULT, Sick, StartSick
from waiting import eventually, runs

LIMIT = "process_limit = 8\n"


def started(sick: Sick) -> Iterator[int]:
    """All processes with the variables of the model's, whatever group or folder they have made theirs."""
    assert sick.spawner.parent is not None
    mark = str(sick.spawner.parent.folder / "tmp")
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == mark and runs(process.pid):
                yield process.pid


async def gone(sick: Sick) -> None:
    """Nothing is left but the parent and its two workers."""
    await eventually(lambda: len(sick.workers()) == 2)
    await eventually(lambda: set(started(sick)) == sick.workers() | {sick.parent()})


@pytest.mark.parametrize("do", ["bomb", "chains"])
async def test_a_fork_bomb_is_killed_whole_before_the_machine_is_full(start_python_sick: StartSick, do: str) -> None:
    sick = await start_python_sick("timeout_s = 25\nretry = {attempts = 1}\n")
    async with sick.others_served():
        answer = await sick.call(do, timeout_s=20)
        assert (answer.reasons, answer.scores.tolist()) == (["WORKER_LOST"], [DEFAULT])
        assert answer.defaults[0].detail.endswith(": it had more than 32 processes (process_limit), and was killed")
        await gone(sick)
    await sick.recovers(set())


async def left(sick: Sick, do: str) -> None:
    """A call that is cancelled as soon as a worker has it."""
    calling = asyncio.create_task(sick.call(do, timeout_s=20))
    await eventually(lambda: sick.snapshot().leased)
    calling.cancel()
    await asyncio.wait([calling])


@pytest.mark.parametrize("do", ["bomb", "chains"])
async def test_a_bomb_whose_call_has_ended_is_killed_too(start_python_sick: StartSick, do: str) -> None:
    sick = await start_python_sick("timeout_s = 25\nkill_after_s = 20\n")
    async with sick.others_served():
        await left(sick, do)
        await eventually(lambda: sick.snapshot().replaced == 1)
        await gone(sick)
    assert sick.snapshot().overrun == 0
    await sick.recovers(set())


async def test_a_worker_may_have_as_many_processes_as_the_limit_says(start_python_sick: StartSick) -> None:
    sick = await start_python_sick(LIMIT, default=False)
    before = sick.workers()
    answer = await sick.call("together", [7.0])
    assert (answer.source, answer.scores.tolist()) == (Source.MODEL, [14.0])
    assert sick.workers() == before


async def test_one_more_is_too_many(start_python_sick: StartSick) -> None:
    sick = await start_python_sick(LIMIT + "retry = {attempts = 1}\n", default=False)
    with pytest.raises(Unavailable, match=r"it had more than 8 processes \(process_limit\), and was killed") as raised:
        await sick.call("together", [8.0])
    assert raised.value.reason == "WORKER_LOST"
    await gone(sick)


async def test_a_version_that_is_unloaded_meanwhile_leaves_nothing(start_python_sick: StartSick) -> None:
    sick = await start_python_sick("timeout_s = 25\nkill_after_s = 20\n")
    await left(sick, "bomb")
    await eventually(lambda: sick.snapshot().dying)
    spawner = sick.spawner
    await sick.gateway.close()
    assert not spawner.parents
