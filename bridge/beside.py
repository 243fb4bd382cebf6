"""Work that would hold the event loop: in one thread of its own, one piece after the other, while the loop goes on."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

from bridge.eager import in_task

__all__ = ["beside", "is_much"]

_MANY_ROWS, _MANY_RANGES = 2000, 256  # up to these it takes about 2 ms; a hop to the thread costs 0.1 ms

_Result = TypeVar("_Result")

_thread = ThreadPoolExecutor(1, "beside")


class _Turns:
    """Whose work is next: callers take turns, so that one who sends much keeps no other waiting for all of it."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, caller: str) -> None:
        """Returns when it is this caller's turn, which has to be given back."""
        if not self._busy:
            self._busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Lets the next one go on."""
        while self._waiting:
            caller, turns = self._waiting.popitem(last=False)
            while turns and turns[0].done():  # who waited has left
                turns.popleft()
            if not turns:
                continue
            turns.popleft().set_result(None)
            if turns:
                self._waiting[caller] = turns
            return
        self._busy = False


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


async def beside(work: Callable[[], _Result], caller: str = "") -> _Result:
    """What a function returns that touches nothing of the event loop's.

    Args:
        work: the function; once it has begun it runs to its end, whoever waits for it.
        caller: for whom: of those who wait, each has one turn after the other.

    Raises:
        Exception: whatever the function raises.
    """
    await in_task()
    loop = asyncio.get_running_loop()
    turns = _turns.setdefault(loop, _Turns())
    await turns.take(caller)
    try:
        return await loop.run_in_executor(_thread, work)
    finally:
        turns.give_back()


def is_much(rows: int, ranges: int) -> bool:
    """To fill, split or write so many rows in so many ranges takes longer than the loop may be held."""
    return rows > _MANY_ROWS or ranges > _MANY_RANGES
