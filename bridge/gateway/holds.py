"""How long the event loop was held lately by one thing, while all else that was due had to wait."""

import asyncio
import time
from collections import deque

from bridge.calls import now

__all__ = ["Holds"]

_INTERVAL_S = 0.02  # 50 looks a second cost a thousandth of a core
_KEPT_S = 60.0
_STEP_S = 1.0


class Holds:
    """Watches the event loop that it is started on.

    A hold is the time by which a look came late, as far as the loop's thread computed meanwhile: that the machine had
    no core for it is not the loop's doing. One that falls between two looks is seen short by up to 20 ms.
    """

    def __init__(self) -> None:
        self._worst: deque[tuple[float, float]] = deque()
        self._next: asyncio.TimerHandle | None = None
        self._due = self._computed_s = 0.0

    def start(self) -> None:
        """Looks from here on; what was before is forgotten."""
        self.stop()
        self._worst.clear()
        self._wait()

    def stop(self) -> None:
        """Looks no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def longest_s(self) -> float:
        """The longest hold of the last minute, seconds."""
        self._forget()
        return max((held_s for _, held_s in self._worst), default=0.0)

    def note(self, held_s: float) -> None:
        """The loop was held so long."""
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
        self.note(max(0.0, min(now() - self._due, time.thread_time() - self._computed_s)))
        self._wait()

    def _forget(self) -> None:
        oldest = now() - _KEPT_S
        while self._worst and self._worst[0][0] < oldest:
            self._worst.popleft()
