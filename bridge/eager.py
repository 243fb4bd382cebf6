"""Begins coroutines at once, so that they need a task only if they have to wait.

A call of a model in this process is often answered without any waiting. A task of its own (6 us) and a timer for its
deadline (4 us) would then cost more than its score. (Python 3.12 has eager tasks; 3.11 is supported too.)
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["Waits", "begin", "in_task", "resume"]

_Result = TypeVar("_Result")


class Waits(NamedTuple, Generic[_Result]):
    """A coroutine that has begun and now waits.

    Attributes:
        begun: the coroutine.
        awaited: what the coroutine yielded, and an event loop has to wait for.
    """

    begun: Coroutine[Any, Any, _Result]
    awaited: Any


def begin(work: Coroutine[Any, Any, _Result]) -> _Result | Waits[_Result]:
    """Runs a coroutine until it ends or has to wait; returns its result, or a `Waits` to pass to `resume`.

    Raises:
        BaseException: whatever the coroutine raises.
    """
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: _Result = done.value
        return result
    return Waits(work, awaited)


def resume(waits: Waits[_Result], error: BaseException | None = None) -> Coroutine[Any, Any, _Result]:
    """Returns the rest of a coroutine that has begun, to be awaited or made a task.

    Args:
        waits: the coroutine.
        error: if given, it is raised where the coroutine waits.
    """
    return _Rest(waits, error)


class _Rest(Coroutine[Any, Any, _Result]):
    """The rest of a coroutine that has begun.

    It is told whatever its task is told, from the beginning: a coroutine that was not entered yet would be dropped by a
    cancellation of its task, and what has begun inside it would hear nothing of that.
    """

    def __init__(self, waits: Waits[_Result], error: BaseException | None) -> None:
        self._begun = waits.begun
        self._first: tuple[Any, ...] = (waits.awaited,)
        self._error = error

    def send(self, value: Any) -> Any:
        """Goes on where the coroutine waits; called by the task."""
        if self._error is not None:
            return self.throw(self._error)
        if self._first:
            (awaited,), self._first = self._first, ()
            return awaited
        return self._begun.send(value)

    def throw(self, kind: Any, error: Any = None, traceback: Any = None) -> Any:
        """Raises an error where the coroutine waits; called by the task."""
        del traceback  # the error has it
        self._first, self._error = (), None
        return self._begun.throw(kind if error is None else error)

    def close(self) -> None:
        """Ends the coroutine where it waits."""
        self._begun.close()

    def __next__(self) -> Any:
        return self.send(None)

    def __await__(self) -> Any:
        return self


async def in_task() -> None:
    """Makes sure that the rest of the calling coroutine runs in a task.

    Returns at once in a task, and one turn of the loop later in a coroutine that was begun outside of one.
    """
    if asyncio.current_task() is None:
        await asyncio.sleep(0)
