"""Counts the processes of a worker while it works on a call, so that a fork bomb ends before the machine does."""

import asyncio
from collections.abc import Callable
from itertools import islice

from bridge.workers.process_tree import descendants

__all__ = ["Crowd"]

_EVERY_S = 0.1


class Crowd:
    """The processes of one worker: itself, and what it has started.

    They are counted 0.1 s after a call was sent, and every 0.1 s from then on while the worker works on it: a call that
    is answered sooner costs nothing.

    Args:
        pid: the process id of the worker.
        limit: the most processes that the worker may have.
        busy: says whether the worker still works on a call.
        on_exceeded: is called once, when there are more processes than that.

    Attributes:
        limit: the limit that was given.
        exceeded: whether there were more processes than that.
    """

    def __init__(self, pid: int, limit: int, busy: Callable[[], bool], on_exceeded: Callable[[], None]) -> None:
        self.limit = limit
        self.exceeded = False
        self._pid = pid
        self._busy = busy
        self._on_exceeded = on_exceeded
        self._sent = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Counts while the call is under way that is being sent now."""
        loop = asyncio.get_running_loop()
        self._sent = loop.time()
        if self._timer is None:  # else it is that of an earlier call, and waits for as long as this one asks
            self._timer = loop.call_later(_EVERY_S, self._look)

    def close(self) -> None:
        """Counts no more; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._busy():
            return
        loop = asyncio.get_running_loop()
        left_s = self._sent + _EVERY_S - loop.time()
        if left_s <= 0 and sum(1 for _ in islice(descendants(self._pid), self.limit)) == self.limit:
            self.exceeded = True
            self._on_exceeded()
        else:
            self._timer = loop.call_later(left_s if left_s > 0 else _EVERY_S, self._look)
