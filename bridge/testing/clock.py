"""An event loop whose time passes by waiting alone, for tests of deadlines and pauses."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["ManualClock"]

_EPOCH_S = 1000.0
_T = TypeVar("_T")


class ManualClock(asyncio.SelectorEventLoop):
    """An event loop whose time, from second 1000 on, passes only when all its tasks wait for it: at once, exactly."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    @classmethod
    def run(cls, main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs a coroutine function on such a loop until it is done."""
        with asyncio.Runner(loop_factory=cls) as runner:
            return runner.run(main())

    def time(self) -> float:
        """Seconds that were waited for, none of which passed."""
        return self._jumping.waited_s

    def pass_at_once(self, seconds: float) -> None:
        """As if a callback took so long."""
        self._jumping.waited_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Waits no time at all, and counts what it should have waited."""

    waited_s = _EPOCH_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.waited_s += max(0.0, timeout)
        return ready
