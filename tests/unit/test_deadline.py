"""Deadline: fixed once, less the reserve, and kept; on a clock that moves only when everybody waits."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bridge.calls import Call, Deadline, ModelRef, Outcome, Range, Scorer, now
from bridge.columns import Matrix, Type, constant
from bridge.errors import DeadlineExceeded, Draining
from bridge.layers.deadline import DeadlineLayer
from bridge.layers.drain import Drain
from bridge.testing.clock import ManualClock

ARRIVED = 1000.0
MICROSECOND = 1e-6


async def pass_time(seconds: float) -> None:
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


def call(timeout_s: float | None = None) -> Call:
    deadline = None if timeout_s is None else Deadline(ARRIVED + timeout_s)
    return Call("id", ModelRef("m", 1, "sha256:"), Matrix((), np.zeros((1, 1))), ARRIVED, deadline)


SCORED = Outcome((Range(0, 1, (constant("score", Type.DOUBLE, 1.0, 1),)),))


def takes(seconds: float, seen: list[Any] | None = None) -> Scorer:
    async def scorer(asked: Call) -> Outcome:
        record: list[Any] = [] if seen is None else seen
        record.append(asked)
        try:
            await pass_time(seconds)
        except asyncio.CancelledError:
            record.append("cancelled")
            raise
        return SCORED

    return scorer


@pytest.mark.parametrize(
    ("timeout_s", "max_timeout_s", "reserve_s", "callers_s", "allowed_s"),
    [
        (1.0, 60.0, None, None, 1.0),
        (100.0, 60.0, None, None, 60.0),
        (1.0, 60.0, 0.5, None, 1.0),
        (1.0, 60.0, None, 0.05, 0.042),
        (1.0, 60.0, None, 0.16, 0.152),
        (1.0, 60.0, None, 10.0, 9.5),
        (1.0, 60.0, None, 1e6, 57.0),
        (1.0, 60.0, 0.0, 10.0, 10.0),
        (1.0, 60.0, 2.0, 10.0, 8.0),
        (1.0, 60.0, 2.0, 1e6, 58.0),
    ],
)
def test_the_deadline_that_counts_is_passed_on_and_kept(
    timeout_s: float, max_timeout_s: float, reserve_s: float | None, callers_s: float | None, allowed_s: float
) -> None:
    layer = DeadlineLayer(timeout_s, max_timeout_s, reserve_s, Drain())
    seen: list[Any] = []

    async def main() -> tuple[Outcome, float]:
        in_time = await layer(call(callers_s), takes(allowed_s - MICROSECOND, seen))
        with pytest.raises(DeadlineExceeded) as raised:
            await layer(replace(call(callers_s), arrived=now(), deadline=_moved(callers_s)), takes(1e9, seen))
        assert f"the call had {allowed_s:.3f} s for them" in str(raised.value)
        assert raised.value.limit == f"{allowed_s:.3f} s"
        return in_time, now()

    outcome, ended = ManualClock.run(main)
    assert outcome is SCORED
    assert seen[0].deadline.instant == pytest.approx(ARRIVED + allowed_s, abs=1e-9)
    assert seen[2:] == ["cancelled"]
    assert ended == pytest.approx(ARRIVED + 2 * allowed_s, abs=1e-3)


def _moved(callers_s: float | None) -> Deadline | None:
    return None if callers_s is None else Deadline.after(callers_s)


@pytest.mark.parametrize("callers_s", [0.0, -1.0, 0.008, 0.001])
def test_a_deadline_that_has_passed_or_is_eaten_by_the_reserve_never_starts_the_call(callers_s: float) -> None:
    seen: list[Any] = []

    async def main() -> None:
        with pytest.raises(DeadlineExceeded, match=r"^m/1: no scores after 0\.000 s; the call had 0\.000 s for them$"):
            await DeadlineLayer(1.0, 60.0, None, Drain())(call(callers_s), takes(0.0, seen))

    ManualClock.run(main)
    assert seen == []


def test_time_spent_before_the_layer_is_the_call_s_own() -> None:
    async def main() -> float:
        await pass_time(0.75)
        with pytest.raises(DeadlineExceeded, match=r"no scores after 1\.000 s; the call had 1\.000 s"):
            await DeadlineLayer(1.0, 60.0, None, Drain())(call(), takes(1e9))
        return now()

    assert ManualClock.run(main) == pytest.approx(ARRIVED + 1.0)


def test_a_timeout_of_what_runs_below_is_not_the_call_s_deadline() -> None:
    error = TimeoutError("of something else")

    async def inner(_: Call) -> Outcome:
        raise error

    async def main() -> None:
        with pytest.raises(TimeoutError) as raised:
            await DeadlineLayer(1.0, 60.0, None, Drain())(call(), inner)
        assert raised.value is error

    ManualClock.run(main)


def test_a_cancellation_reaches_what_runs_below_and_stays_one() -> None:
    seen: list[Any] = []

    async def main() -> float:
        scoring = asyncio.ensure_future(DeadlineLayer(1.0, 60.0, None, Drain())(call(), takes(1e9, seen)))
        await pass_time(0.5)
        scoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scoring
        return now()

    assert ManualClock.run(main) == pytest.approx(ARRIVED + 0.5)
    assert seen[1:] == ["cancelled"]


def test_the_end_of_the_gateway_s_grace_ends_calls_under_way_and_refuses_later_ones() -> None:
    drain, seen = Drain(), list[Any]()
    layer = DeadlineLayer(1.0, 60.0, None, drain)

    async def main() -> float:
        scoring = asyncio.ensure_future(layer(call(), takes(1e9, seen)))
        await pass_time(0.25)
        drain.end()
        with pytest.raises(Draining, match=r"^m/1: the gateway is going down$"):
            await scoring
        with pytest.raises(Draining):
            await layer(call(), takes(0.0, seen))
        return now()

    assert ManualClock.run(main) == pytest.approx(ARRIVED + 0.25)
    assert seen[1:] == ["cancelled"]


def _block(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualClock)
    loop.pass_at_once(seconds)


@pytest.mark.parametrize(
    ("blocked_s", "later_s", "reserve_s", "allowed_s"),
    [
        (0.016, 0.0, None, 0.038),
        (0.016, 1.0, None, 0.040),
        (0.016, 30.0, None, 0.042),
        (5.0, 0.0, None, 0.032),
        (0.016, 0.0, 0.008, 0.042),
    ],
)
def test_what_the_loop_lagged_by_is_kept_back_for_a_while_unless_the_reserve_is_set(
    blocked_s: float, later_s: float, reserve_s: float | None, allowed_s: float
) -> None:
    layer, seen = DeadlineLayer(1.0, 60.0, reserve_s, Drain()), list[Any]()

    async def main() -> float:
        asyncio.get_running_loop().call_later(0.03, _block, blocked_s)
        with pytest.raises(DeadlineExceeded):
            await layer(call(0.05), takes(1e9))
        await pass_time(later_s)
        began = now()
        await layer(replace(call(), arrived=began, deadline=Deadline.after(0.05)), takes(0.0, seen))
        return began

    began = ManualClock.run(main)
    assert seen[0].deadline.instant - began == pytest.approx(allowed_s, abs=1e-4)


def test_a_deadline_s_time_runs_out() -> None:
    async def main() -> None:
        deadline = Deadline.after(2.0)
        assert deadline.instant == ARRIVED + 2.0
        assert (deadline.remaining_s(), deadline.expired()) == (2.0, False)
        await pass_time(2.0)
        assert (deadline.remaining_s(), deadline.expired()) == (0.0, True)
        await pass_time(1.0)
        assert (deadline.remaining_s(), deadline.expired()) == (-1.0, True)
        assert call().elapsed_s() == 3.0

    ManualClock.run(main)
