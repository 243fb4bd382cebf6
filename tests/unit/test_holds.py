"""The longest hold of the event loop: told for a minute, then forgotten; a loop that only waits is not held."""

import asyncio
import time

from bridge.gateway.holds import Holds
from bridge.testing.clock import ManualClock


def test_the_longest_of_a_minute_counts() -> None:
    async def main() -> list[float]:
        holds = Holds()
        told = [holds.longest_s()]
        for held_s in (0.004, 0.009, 0.002):
            holds.note(held_s)
            await asyncio.sleep(20)
            told.append(holds.longest_s())
        await asyncio.sleep(25)
        return [*told, holds.longest_s()]

    assert ManualClock.run(main) == [0.0, 0.004, 0.009, 0.009, 0.002]


def test_memory_is_bounded_by_the_minute() -> None:
    async def main() -> int:
        holds = Holds()
        for _ in range(10_000):
            holds.note(0.001)
            await asyncio.sleep(0.02)
        return len(holds._worst)

    assert ManualClock.run(main) <= 61


async def test_work_on_the_loop_is_a_hold_and_waiting_is_none() -> None:
    holds = Holds()
    holds.start()
    began = time.thread_time()
    await asyncio.sleep(0)
    while time.thread_time() - began < 0.1:
        sum(range(1000))
    await asyncio.sleep(0.03)
    holds.stop()
    assert holds.longest_s() >= 0.05
