"""The gateway's own deadline for all calls, which ends them when the gateway drains and its grace is over."""

import asyncio

__all__ = ["Drain"]


class Drain:
    """Ends all calls that the deadline layers have under way, when the gateway's grace is over.

    Attributes:
        over: whether the grace is over.
    """

    def __init__(self) -> None:
        self._timeouts: set[asyncio.Timeout] = set()
        self.over = False

    def add(self, timeout: asyncio.Timeout) -> None:
        """Registers a call's timeout, so that `end` can end the call early; ends it at once if the grace is over."""
        self._timeouts.add(timeout)
        if self.over:
            timeout.reschedule(asyncio.get_running_loop().time())

    def discard(self, timeout: asyncio.Timeout) -> None:
        """Forgets the timeout of a call that has ended."""
        self._timeouts.discard(timeout)

    def end(self) -> None:
        """Ends the grace: every registered call ends now, and every later one as soon as it is registered."""
        self.over = True
        at = asyncio.get_running_loop().time()
        for timeout in self._timeouts:
            timeout.reschedule(at)
