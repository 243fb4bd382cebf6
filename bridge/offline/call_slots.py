"""How many calls of a run are under way at once, and when a call is under way alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

__all__ = ["CallSlots"]


class CallSlots:
    """Bounds the calls of a run.

    Args:
        calls: the most calls that are under way at once.
    """

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._free = asyncio.Semaphore(calls)
        self._turn = asyncio.Lock()  # of two calls that each wait for all others to end, neither would begin

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Waits until one more call may begin; the call ends with the context."""
        async with self._free:
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until no other call is under way, and lets none begin before the context ends."""
        async with self._turn, AsyncExitStack() as held:
            for _ in range(self._calls):
                await held.enter_async_context(self._free)
            yield
