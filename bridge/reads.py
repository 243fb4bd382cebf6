"""Runs reads that may never return, as of a network folder whose server is gone, each in a thread that can be left."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from bridge.errors import PassingFailure
from bridge.threads import fulfil, start

__all__ = ["Reads"]

_Result = TypeVar("_Result")


class Reads:
    """Runs reads off the event loop, each in a thread of its own, with a time limit.

    asyncio's own threads are few and shared: reads that hang would use them up for all other work, and keep the process
    from ending. A thread can't be ended from outside, so one whose time is over is left behind, and no other read of
    the same subject is begun until it returns.
    """

    def __init__(self) -> None:
        self._left: dict[str, list[tuple[float, Future[Any]]]] = {}

    async def run(self, subject: str, limit_s: float, read: Callable[[], _Result]) -> _Result:
        """Runs a function in a thread of its own, and returns its result.

        Args:
            subject: what the function reads, as messages name it, such as "the repository".
            limit_s: how long it may take, in seconds.
            read: the function.

        Raises:
            PassingFailure: the function takes longer, an earlier one of the same subject has not returned yet, or
                memory is too short for a thread.
            Exception: whatever the function raises.
        """
        if waiting := self._waiting(subject):
            raise PassingFailure(
                f"a read of {subject} has not returned for {time.monotonic() - waiting[0][0]:.0f} s, "
                "and no other is begun until it does"
            )
        begun, future = time.monotonic(), Future[_Result]()
        start(fulfil, future, read)
        result = asyncio.wrap_future(future)
        try:
            await asyncio.wait([result], timeout=limit_s)
            if result.done():
                return result.result()
        finally:
            begins_no_more = future.cancel()
            result.cancel()
            if not (begins_no_more or future.done()):
                self._left.setdefault(subject, []).append((begun, future))
        limit = f"{limit_s:g} s"
        if begins_no_more:
            raise PassingFailure(f"a read of {subject} was not begun within {limit}: memory is short", limit=limit)
        raise PassingFailure(f"a read of {subject} did not return within {limit}", limit=limit)

    def hanging(self) -> dict[str, int]:
        """Returns for each subject the number of threads that were left behind and have not returned yet."""
        return {subject: len(waiting) for subject in list(self._left) if (waiting := self._waiting(subject))}

    def _waiting(self, subject: str) -> list[tuple[float, Future[Any]]]:
        waiting = [one for one in self._left.pop(subject, []) if not one[1].done()]
        if waiting:
            self._left[subject] = waiting
        return waiting
