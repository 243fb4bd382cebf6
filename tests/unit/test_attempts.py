"""Attempts of calls, noted one by one where calls are traced, and not at all where they are not."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from bridge.attempts import Attempts
from bridge.calls import Call, Deadline, ModelRef, Outcome, Range, Trace, now
from bridge.columns import Matrix, Type, constant
from bridge.errors import BridgeError, WorkerLost
from bridge.layers.chunks import CallInChunks, Chunk, coalesce
from bridge.layers.retry import Retry, RetryBudget
from bridge.testing.clock import ManualClock


def call_of(rows: int = 2, attempts: Attempts | None = None) -> Call:
    batch = Matrix((), np.zeros((rows, 1)))
    return Call("id", ModelRef("m", 1, ""), batch, now(), Deadline.after(9.0), trace=Trace(noted=attempts))


async def answers(asked: Call) -> Outcome:
    return Outcome((Range(0, asked.rows, (constant("score", Type.DOUBLE, 1.0, asked.rows),)),))


class _Raising:
    def __init__(self, *errors: BaseException) -> None:
        self._errors = list(errors)

    async def __call__(self, asked: Call) -> Outcome:
        await asyncio.sleep(1.0)
        if self._errors:
            raise self._errors.pop(0)
        return await answers(asked)


def noted(*errors: BaseException, attempts: int = 3) -> list[tuple[float, int, str]]:
    """How long each attempt took, its rows and its reason, of a call whose first attempts raise these."""
    kept = Attempts()

    async def main() -> None:
        with suppress(BridgeError, ZeroDivisionError, asyncio.CancelledError):
            await Retry(attempts, 0.0, RetryBudget(0.0, 0.0, 100.0))(call_of(attempts=kept), _Raising(*errors))

    ManualClock.run(main)
    return [((one.ended or 0.0) - one.began, one.rows, one.reason) for one in kept.noted]


@pytest.mark.parametrize(
    ("errors", "reasons"),
    [
        ([], [""]),
        ([WorkerLost("lost")], ["WORKER_LOST", ""]),
        ([WorkerLost("lost")] * 3, ["WORKER_LOST"] * 3),
        ([ZeroDivisionError()], ["INTERNAL"]),
        ([asyncio.CancelledError()], ["CANCELLED"]),
    ],
)
def test_each_attempt_is_noted_with_its_time_and_its_end(errors: list[BaseException], reasons: list[str]) -> None:
    found = noted(*errors)
    assert [reason for _, _, reason in found] == reasons
    assert all(took_s == pytest.approx(1.0, abs=0.1) and rows == 2 for took_s, rows, _ in found)


def test_nothing_is_noted_of_a_call_that_is_not_traced() -> None:
    async def main() -> Call:
        call = call_of()
        await Retry(3, 0.0, RetryBudget())(call, answers)
        return call

    assert ManualClock.run(main).trace.noted is None


def test_a_coalesced_batch_is_an_attempt_of_each_traced_call_in_it() -> None:
    kept = Attempts()

    async def main() -> tuple[Call, Call, Call]:
        calls = call_of(attempts=kept), call_of(), call_of(3, Attempts())
        chunks = [Chunk(CallInChunks(call, answers), 0, call.rows) for call in calls]
        await Retry(3, 0.0, RetryBudget())(coalesce(chunks), answers)
        return calls

    _, untraced, third = ManualClock.run(main)
    assert untraced.trace.noted is None
    assert third.trace.noted is not None
    assert third.trace.noted.noted == kept.noted
    (attempt,) = kept.noted
    assert (attempt.rows, attempt.coalesced, attempt.reason) == (7, True, "")


def test_a_batch_of_calls_that_are_not_traced_is_not_traced_either() -> None:
    async def main() -> Call:
        chunks = [Chunk(CallInChunks(call_of(), answers), 0, 2) for _ in range(2)]
        return coalesce(chunks)

    assert ManualClock.run(main).trace.noted is None


def test_the_chunks_of_a_call_share_its_notes() -> None:
    kept = Attempts()

    async def main() -> None:
        whole = CallInChunks(call_of(4, kept), answers)
        for chunk in (Chunk(whole, 0, 1), Chunk(whole, 1, 3)):
            await Retry(3, 0.0, RetryBudget())(replace(chunk).call(), answers)

    ManualClock.run(main)
    assert [attempt.rows for attempt in kept.noted] == [1, 3]


def test_no_more_than_a_hundred_are_kept_and_the_rest_is_counted() -> None:
    kept = Attempts()
    both = Attempts.together([kept, None])
    assert both is not None
    for number in range(130):
        both.begin(float(number), 1, coalesced=True).reason = "X"
    assert (len(kept.noted), kept.left_out, len(both.noted), both.left_out) == (100, 30, 100, 30)
    assert Attempts.together([None, None]) is None
