"""Coroutines that are begun at once and get a task only if they have to wait.

A call of a model that lives in this process is answered without waiting for anything. A task of its own (6 us) and a
timer for its deadline (4 us) would then cost more than its score. (Python 3.12 has eager tasks; 3.11 is supported too.)
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["Waits", "begin", "in_task", "resume"]

_Result = TypeVar("_Result")


class Waits(NamedTuple, Generic[_Result]):
    """A coroutine that has begun and waits.

    Attributes:
        begun: the coroutine.
        awaited: what it gave to its event loop.
    """

    begun: Coroutine[Any, Any, _Result]
    awaited: Any


def begin(work: Coroutine[Any, Any, _Result]) -> _Result | Waits[_Result]:
    """Runs the coroutine as far as it goes without waiting; its result, or where it waits.

    Raises:
        BaseException: what the coroutine raised.
    """
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: _Result = done.value
        return result
    return Waits(work, awaited)


async def resume(waits: Waits[_Result], error: BaseException | None = None) -> _Result:
    """Awaits the rest of a coroutine that has begun; with an error, that is raised where it waits."""
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
        except BaseException as thrown:  # noqa: BLE001 - it goes where it belongs
            error = thrown
        else:
            return (yield from waits.begun.__await__())


async def in_task() -> None:
    """Returns in a task: at once, or a turn of the loop later where the coroutine was begun outside of one."""
    if asyncio.current_task() is None:
        await asyncio.sleep(0)
