"""The circuit: fails fast while a model is down, tries again by itself, and no caller can open it for the others."""

import asyncio
from contextlib import suppress

import pytest
from scorebridge import DeadlineExceeded, Source, Unavailable
from sick import DEFAULT, Sick, StartSick
from waiting import eventually

QUICK = "circuit = {failures = 3, open_s = 0.2}\n"


def _state(sick: Sick) -> str:
    stack = sick.gateway.registry.resolve("sick").stack
    assert stack is not None
    return str(stack.circuit.state)


async def test_it_opens_fails_fast_and_closes_by_a_self_test_row(start_sick: StartSick) -> None:
    sick = await start_sick(QUICK)
    for _ in range(3):
        assert (await sick.call("null")).reasons == ["MALFORMED_PREDICTION"]
    answer = await sick.call("score")
    assert (answer.reasons, answer.scores.tolist(), answer.attempts) == (["CIRCUIT_OPEN"], [DEFAULT], 0)
    with pytest.raises(Unavailable) as raised:
        await sick.call("score", allow_default=False)
    assert raised.value.reason == "CIRCUIT_OPEN"
    (detail,) = await sick.client.model("sick")
    assert detail.circuit == "open"
    await eventually(lambda: _state(sick) == "closed")
    assert (await sick.call("score")).source is Source.MODEL


async def test_workers_that_overrun_open_it_although_nobody_waits_for_them(start_sick: StartSick) -> None:
    sick = await start_sick("circuit = {failures = 2, open_s = 30}\nkill_after_s = 0.1")
    await sick.call("score")
    await asyncio.gather(*(sick.call("loop", timeout_s=0.3) for _ in range(2)))
    await eventually(lambda: _state(sick) == "open")


async def test_one_caller_s_bad_rows_and_short_deadlines_never_open_it(start_sick: StartSick) -> None:
    sick = await start_sick(QUICK)
    for _ in range(5):
        assert (await sick.call("raise")).reasons == ["MODEL_ERROR"]
        # On a busy machine the caller's own clock may be the one that ends so short a call.
        with suppress(DeadlineExceeded):
            assert (await sick.call("score", timeout_s=0.002)).reasons == ["DEADLINE"]
        assert (await sick.call("nap", [0.45], timeout_s=0.3)).reasons == ["DEADLINE"]
    assert _state(sick) == "closed"
    assert (await sick.call("score")).source is Source.MODEL


async def test_without_a_self_test_row_a_single_call_is_let_through(start_sick: StartSick) -> None:
    sick = await start_sick(QUICK)
    stack = sick.gateway.registry.resolve("sick").stack
    assert stack is not None
    stack.circuit._probe = None
    for _ in range(3):
        await sick.call("null")
    await eventually(lambda: _state(sick) == "half-open")
    slow = asyncio.create_task(sick.call("nap", [1.0]))
    await eventually(lambda: sick.backend.workload.running == 1)
    others = await asyncio.gather(*(sick.call("score") for _ in range(5)))
    assert not slow.done()
    assert {answer.reasons[0] for answer in others} == {"CIRCUIT_OPEN"}
    assert (await slow).source is Source.MODEL
    assert (await sick.call("score")).source is Source.MODEL
