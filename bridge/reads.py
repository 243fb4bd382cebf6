"""Reads that may never return, as of a network folder whose server is gone: each in a thread that nobody waits for."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from bridge.errors import PassingFailure

__all__ = ["Reads"]

_Result = TypeVar("_Result")


class Reads:
    """What is read off the event loop, by whom it is read for.

    asyncio's own threads are few, and shared: some reads that hang would use them up for all others, and keep the
    process from ending. A thread can't be ended from outside either, so one whose time is over is left alone, and
    nothing else is begun for the same subject until it comes back.
    """

    def __init__(self) -> None:
        self._left: dict[str, list[tuple[float, Future[Any]]]] = {}

    async def run(self, subject: str, limit_s: float, read: Callable[[], _Result]) -> _Result:
        """What a function returns that is run in a thread of its own.

        Args:
            subject: what it reads of, as a sentence calls it.
            limit_s: how long it may take, seconds.
            read: the function.

        Raises:
            PassingFailure: it takes longer, or one of the same subject did and has not come back.
            Exception: whatever the function raises.
        """
        if waiting := self._waiting(subject):
            raise PassingFailure(
                f"a read of {subject} has not come back for {time.monotonic() - waiting[0][0]:.0f} s, "
                "and no other is begun until it does"
            )
        begun, future = time.monotonic(), Future[_Result]()
        future.set_running_or_notify_cancel()
        threading.Thread(target=_run, args=(future, read), name=f"reads {subject}", daemon=True).start()
        result = asyncio.wrap_future(future)
        try:
            await asyncio.wait([result], timeout=limit_s)
            if result.done():
                return result.result()
        finally:
            result.cancel()
            if not future.done():
                self._left.setdefault(subject, []).append((begun, future))
        limit = f"{limit_s:g} s"
        raise PassingFailure(f"a read of {subject} did not come back within {limit}", limit=limit)

    def hanging(self) -> dict[str, int]:
        """How many threads were left, by subject; none that has come back."""
        return {subject: len(waiting) for subject in list(self._left) if (waiting := self._waiting(subject))}

    def _waiting(self, subject: str) -> list[tuple[float, Future[Any]]]:
        waiting = [one for one in self._left.pop(subject, []) if not one[1].done()]
        if waiting:
            self._left[subject] = waiting
        return waiting


def _run(future: Future[_Result], read: Callable[[], _Result]) -> None:
    try:
        result = read()
    except StopIteration as error:  # a future takes none, and whoever waits for it would wait for ever
        future.set_exception(RuntimeError(f"StopIteration: {error}"))
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        future.set_exception(error)
    else:
        future.set_result(result)
