"""Which refused calls are on record each; on a clock that moves only when everybody waits."""

import asyncio

from bridge.prediction_log.refusals import Refusals
from bridge.testing.clock import ManualClock


def test_a_caller_has_so_many_a_second_whatever_another_does() -> None:
    async def main() -> list[int]:
        refusals = Refusals(10)
        admitted = [sum(refusals.admit("a") for _ in range(50)), sum(refusals.admit("b") for _ in range(3))]
        await asyncio.sleep(0.5)
        admitted += [sum(refusals.admit("a") for _ in range(50))]
        await asyncio.sleep(60)
        return [*admitted, sum(refusals.admit("a") for _ in range(50))]

    assert ManualClock.run(main) == [10, 3, 5, 10]


def test_any_number_of_callers_has_ten_times_as_many_together() -> None:
    async def main() -> int:
        refusals = Refusals(10)
        return sum(refusals.admit(f"caller {number}") for number in range(5000))

    assert ManualClock.run(main) == 100


def test_less_than_one_a_second_is_one_now_and_then() -> None:
    async def main() -> list[bool]:
        refusals, admitted = Refusals(0.5), []
        for _ in range(5):
            admitted.append(refusals.admit("a"))
            await asyncio.sleep(1)
        return admitted

    assert ManualClock.run(main) == [True, False, True, False, True]
