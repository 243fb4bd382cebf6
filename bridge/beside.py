"""Work that would hold the event loop: in one thread of its own, one piece after the other, while the loop goes on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bridge.eager import in_task

__all__ = ["beside", "is_much"]

_MANY_ROWS, _MANY_RANGES = 2000, 256  # up to these it takes about 2 ms; a hop to the thread costs 0.1 ms

_Result = TypeVar("_Result")

_thread = ThreadPoolExecutor(1, "beside")


async def beside(work: Callable[[], _Result]) -> _Result:
    """What a function returns that touches nothing of the event loop's; it runs when those before it are done.

    Raises:
        Exception: whatever the function raises.
    """
    await in_task()
    return await asyncio.get_running_loop().run_in_executor(_thread, work)


def is_much(rows: int, ranges: int) -> bool:
    """To fill, split or write so many rows in so many ranges takes longer than the loop may be held."""
    return rows > _MANY_ROWS or ranges > _MANY_RANGES
