"""What a call of a Python function leaves behind: the next call does not meet it."""

from functools import partial

import pytest
from scorebridge import Source
from sick import Sick
from waiting import eventually

LEFT = ["thread", "child", "daemon", "set_global", "append"]


def _replaced(sick: Sick, count: int) -> bool:
    """As many workers were replaced."""
    return sick.snapshot().replaced == count


@pytest.mark.parametrize("do", LEFT)
async def test_its_worker_is_replaced_before_the_next_call_with_all_it_started(python_sick: Sick, do: str) -> None:
    before = python_sick.workers()
    async with python_sick.others_served():
        for count in (1, 2):
            answer = await python_sick.call(do, [1.0, 2.0])
            wanted = [3.0, 6.0] if do == "set_global" else [2.0, 4.0]
            assert (answer.source, answer.scores.tolist()) == (Source.MODEL, wanted)
            answer = await python_sick.call("score", [1.0, 2.0])
            assert answer.scores.tolist() == [2.0, 4.0]
            await eventually(partial(_replaced, python_sick, count))
        await python_sick.recovers(before - python_sick.workers())
    assert len(before & python_sick.workers()) <= 1


async def test_a_working_directory_is_set_back(python_sick: Sick) -> None:
    before = python_sick.workers()
    answer = await python_sick.call("chdir", [1.0])
    assert answer.source is Source.MODEL
    for _ in range(4):
        assert (await python_sick.call("cwd", [1.0])).scores.tolist() == [1.0]
    assert python_sick.workers() == before
