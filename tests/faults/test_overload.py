"""More calls than a model can score: those that can't make it are turned away, the others are scored in time."""

import asyncio
import time
from collections import Counter

import pytest
from scorebridge import Unavailable
from sick import StartSick


@pytest.mark.parametrize("times", [2, 10])
async def test_every_call_is_answered_in_time_and_the_workers_stay_busy(start_sick: StartSick, times: int) -> None:
    sick = await start_sick("row_wise = false")
    await asyncio.gather(*(sick.call("nap", [0.02]) for _ in range(6)))
    per_round = 2 * times  # two workers
    reasons: Counter[str | None] = Counter()
    late = 0

    async def one() -> None:
        nonlocal late
        began = time.monotonic()
        answer = await sick.call("nap", [0.02], timeout_s=0.5)
        late += time.monotonic() - began > 0.5
        reasons.update(answer.reasons)
        if answer.reasons == [None]:
            assert answer.scores.tolist() == [0.04]

    for _ in range(25):
        await asyncio.gather(*(one() for _ in range(per_round)))
    assert set(reasons) <= {None, "OVERLOADED", "DEADLINE"}
    assert sum(reasons.values()) == 25 * per_round
    assert reasons[None] >= 25
    assert late == 0
    await sick.recovers(set())


async def test_more_rows_than_may_wait_are_refused_with_the_limit(start_sick: StartSick) -> None:
    sick = await start_sick("max_pending_rows = 10")
    busy = [asyncio.create_task(sick.call("nap", [0.3] * 5)) for _ in range(2)]
    await asyncio.gather(asyncio.wait(busy, timeout=0.05))
    answer = await sick.call("score")
    assert answer.reasons == ["OVERLOADED"]
    with pytest.raises(Unavailable) as raised:
        await sick.call("score", allow_default=False)
    assert (raised.value.reason, raised.value.limit) == ("OVERLOADED", "10 rows")
    for done in await asyncio.gather(*busy):
        assert done.reasons == [None] * 5


async def test_one_sick_model_does_not_slow_another(start_sick: StartSick) -> None:
    sick = await start_sick()
    await sick.call("score")
    hung = [asyncio.create_task(sick.call("loop", timeout_s=1.0)) for _ in range(10)]
    healthy = await sick.client.score("sick", {"do": [], "x": []}, timeout_s=0.5)
    assert healthy.rows == 0
    assert {answer.reasons[0] for answer in await asyncio.gather(*hung)} <= {"DEADLINE", "OVERLOADED"}
    await sick.recovers(set())
