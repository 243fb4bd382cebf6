"""A worker that ends itself: quit(), a segfault, and no memory left."""

import pytest
from scorebridge import Source
from sick import DEFAULT, Sick, StartSick


@pytest.mark.parametrize("do", ["quit", "segfault"])
async def test_it_costs_the_call_and_nothing_else(sick: Sick, do: str) -> None:
    before = sick.workers()
    answer = await sick.call(do, [1.0, 2.0])
    assert answer.reasons == ["WORKER_LOST", "WORKER_LOST"]
    assert answer.scores.tolist() == [DEFAULT, DEFAULT]
    await sick.recovers(before)


async def test_a_memory_limit_makes_it_the_model_s_own_error(start_sick: StartSick) -> None:
    sick = await start_sick("memory_limit_mb = 2000")
    before = sick.workers()
    answer = await sick.call("memory")
    assert answer.reasons == ["MODEL_ERROR"]
    assert sick.workers() == before
    assert (await sick.call("score", [3.0])).source is Source.MODEL
