"""An event loop for tests of deadlines and pauses: its clock jumps ahead instead of waiting."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["ManualClock"]

_EPOCH_S = 1000.0
_T = TypeVar("_T")


class ManualClock(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while tasks run, and jumps to the next timer when all tasks wait.

    No real time passes. The clock starts at 1000 s.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    @classmethod
    def run(cls, main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs a coroutine function on a new `ManualClock` until it is done, and returns its result."""
        with asyncio.Runner(loop_factory=cls) as runner:
            return runner.run(main())

    def time(self) -> float:
        """Returns the loop's time in seconds: 1000 plus all that was waited for."""
        return self._jumping.waited_s

    def pass_at_once(self, seconds: float) -> None:
        """Moves the clock ahead, as if the running callback had taken this many seconds."""
        self._jumping.waited_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never blocks, and adds up the seconds that it was asked to wait."""

    waited_s = _EPOCH_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.waited_s += max(0.0, timeout)
        return ready
