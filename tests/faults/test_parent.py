"""The Rserve that forks the workers: killed, and stopped."""

import asyncio
import os
import signal

from scorebridge import Source
from sick import Sick
from waiting import eventually, runs


async def test_calls_go_on_when_the_parent_is_killed_and_a_new_one_is_started(sick: Sick) -> None:
    parent, workers = sick.parent(), sick.workers()
    under_way = asyncio.create_task(sick.call("nap", [0.5]))
    os.kill(parent, signal.SIGKILL)
    answers = await asyncio.gather(*(sick.call("score", [float(n)]) for n in range(50)))
    assert [answer.scores[0] for answer in answers] == [2.0 * n for n in range(50)]
    assert (await under_way).scores.tolist() == [1.0]
    assert sick.workers() == workers
    await eventually(lambda: sick.parent() != parent and runs(sick.parent()))
    # Workers that are lost now come from the new parent, and nothing of the old one is kept.
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    await sick.recovers({*workers, parent})
    await eventually(lambda: len(sick.spawner.parents) == 1)


async def test_a_stopped_parent_costs_nothing_while_its_workers_live(sick: Sick) -> None:
    parent = sick.parent()
    os.kill(parent, signal.SIGSTOP)
    try:
        answer = await sick.call("score", [3.0])
        assert answer.source is Source.MODEL
        (lost, *_) = sick.workers()
        os.kill(lost, signal.SIGKILL)
        await eventually(lambda: lost not in sick.workers())
        assert (await sick.call("score", [3.0])).source is Source.MODEL
    finally:
        os.kill(parent, signal.SIGCONT)
    await sick.recovers({lost})


async def test_a_parent_that_stays_stopped_is_replaced(sick: Sick) -> None:
    parent, workers = sick.parent(), sick.workers()
    os.kill(parent, signal.SIGSTOP)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: sick.parent() != parent, timeout_s=60)
    await sick.recovers({*workers, parent})
