"""Runs work that would hold the event loop in one thread of its own, one function after the other."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from bridge.eager import in_task
from bridge.threads import Threads

__all__ = ["at_once_or_beside", "beside", "is_much"]

_MANY_ROWS, _MANY_RANGES = 2000, 256  # work of this size takes about 2 ms; to pass it to the thread costs 0.1 ms

_Result = TypeVar("_Result")

_thread = Threads(1)


class _Turns:
    """Decides whose work is next: callers take turns, so none waits for all the work of a caller who sends much."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, caller: str) -> None:
        """Waits until it is this caller's turn, which the caller must end with `give_back`."""
        if not self._busy:
            self._busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except BaseException:
            # A call that ended before it was in a task leaves its turn as it is: it must not be given one later.
            if not turn.cancel() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Ends a turn, and lets the next caller go on."""
        while self._waiting:
            caller, turns = self._waiting.popitem(last=False)
            while turns and turns[0].done():  # cancelled while it waited
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
    """Runs a function in the thread for long work, and returns its result.

    Args:
        work: the function, which must not use the event loop; once begun it runs to its end, also after a cancellation.
        caller: the caller for whom it runs; callers who wait take turns.

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


async def at_once_or_beside(work: Callable[[], _Result], caller: str = "", *, much: bool) -> _Result:
    """Runs a function at once, or `beside` where it is much work, and returns its result."""
    return await beside(work, caller) if much else work()


def is_much(rows: int, ranges: int) -> bool:
    """Whether filling, splitting or writing this many rows and ranges would hold the event loop for more than 2 ms."""
    return rows > _MANY_ROWS or ranges > _MANY_RANGES
