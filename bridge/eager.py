"""Begins coroutines at once, so that they need a task only if they have to wait.

A call of a model in this process is often answered without any waiting. A task of its own (6 us) and a timer for its
deadline (4 us) would then cost more than its score. (Python 3.12 has eager tasks; 3.11 is supported too.)
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
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


async def resume(waits: Waits[_Result], error: BaseException | None = None) -> _Result:
    """Runs the rest of a coroutine that has begun; if `error` is given, it is raised where the coroutine waits."""
    result: _Result = await _rest(waits, error)
    return result


@coroutine
def _rest(waits: Waits[Any], error: BaseException | None) -> Generator[Any, Any, Any]:
    awaited = waits.awaited
    while True:
        if error is not None:
            try:
                awaited = waits.begun.throw(error)
            except StopIteration as done:
                return done.value
        try:
            yield awaited
        except BaseException as thrown:  # noqa: BLE001 - it is raised again inside the coroutine
            error = thrown
        else:
            return (yield from waits.begun.__await__())


async def in_task() -> None:
    """Makes sure that the rest of the calling coroutine runs in a task.

    Returns at once in a task, and one turn of the loop later in a coroutine that was begun outside of one.
    """
    if asyncio.current_task() is None:
        await asyncio.sleep(0)
