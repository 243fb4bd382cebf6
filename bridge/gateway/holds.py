"""Measures holds of the event loop: times in which one piece of work kept everything else waiting."""

import asyncio
import time
from collections import deque

from bridge.calls import now

__all__ = ["Holds"]

_INTERVAL_S = 0.02  # 50 checks a second cost a thousandth of a core
_KEPT_S = 60.0
_STEP_S = 1.0


class Holds:
    """Measures for how long the event loop that it is started on was held, over the last minute.

    A timer checks every 20 ms. A hold is the time by which a check came late, but no more than the CPU time that the
    loop's thread used meanwhile: waiting for a free core is not the loop's fault. A hold may be measured up to 20 ms
    too short, because it can begin between two checks.
    """

    def __init__(self) -> None:
        self._worst: deque[tuple[float, float]] = deque()
        self._next: asyncio.TimerHandle | None = None
        self._due = self._computed_s = self._late_s = 0.0

    def start(self) -> None:
        """Begins to measure, and forgets all holds before."""
        self.stop()
        self._worst.clear()
        self._late_s = 0.0
        self._wait()

    def stop(self) -> None:
        """Stops measuring; the holds so far are kept."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def longest_s(self) -> float:
        """Returns the longest hold of the last minute, in seconds."""
        self._forget()
        return max((held_s for _, held_s in self._worst), default=0.0)

    def late_s(self) -> float:
        """Returns how late the last check came, in seconds, or how late the next one is already, if that is more.

        Unlike a hold this counts waiting for a free core too: it is how long anything new has to wait.
        """
        overdue_s = 0.0 if self._next is None else now() - self._due
        return max(0.0, self._late_s, overdue_s)

    def note(self, held_s: float) -> None:
        """Adds a hold that has ended just now and took `held_s` seconds."""
        at = now()
        if self._worst and at - self._worst[-1][0] < _STEP_S:
            since, worst_s = self._worst[-1]
            self._worst[-1] = since, max(worst_s, held_s)
        else:
            self._worst.append((at, held_s))
            self._forget()

    def _wait(self) -> None:
        self._computed_s = time.thread_time()
        self._next = asyncio.get_running_loop().call_later(_INTERVAL_S, self._look)
        self._due = self._next.when()

    def _look(self) -> None:
        self._late_s = now() - self._due
        self.note(max(0.0, min(self._late_s, time.thread_time() - self._computed_s)))
        self._wait()

    def _forget(self) -> None:
        oldest = now() - _KEPT_S
        while self._worst and self._worst[0][0] < oldest:
            self._worst.popleft()
