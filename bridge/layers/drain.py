"""Drain: the one deadline that the gateway itself sets, for every call at once, when it is going down."""

import asyncio

__all__ = ["Drain"]


class Drain:
    """Ends all calls that the deadline layers hold, when the grace is over."""

    def __init__(self) -> None:
        self._timeouts: set[asyncio.Timeout] = set()
        self.over = False

    def add(self, timeout: asyncio.Timeout) -> None:
        """A call that may be ended early; at once where the grace is over."""
        self._timeouts.add(timeout)
        if self.over:
            timeout.reschedule(asyncio.get_running_loop().time())

    def discard(self, timeout: asyncio.Timeout) -> None:
        """It is answered."""
        self._timeouts.discard(timeout)

    def end(self) -> None:
        """The grace is over: calls under way end now, later ones at once."""
        self.over = True
        at = asyncio.get_running_loop().time()
        for timeout in self._timeouts:
            timeout.reschedule(at)
