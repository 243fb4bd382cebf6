"""A coroutine that is begun before it has a task behaves in every way as one that had a task from its beginning."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.eager import Waits, begin, in_task, resume


async def _begun_outside_of_a_task(work: "asyncio.Future[None]", log: list[str]) -> str:
    log.append("begun")
    try:
        await work
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        log.append("cancelled")
        raise
    finally:
        log.append("cleaned up")
    return "done"


async def _outside(function: "asyncio.Future[object]", make: object) -> object:
    """Calls in a callback of the loop, where there is no task."""
    assert callable(make)

    def callback() -> None:
        assert asyncio.current_task() is None
        function.set_result(make())

    asyncio.get_running_loop().call_soon(callback)
    return await function


async def test_what_need_not_wait_is_done_at_once_without_a_task() -> None:
    async def inner() -> int:
        return 7

    async def outer() -> int:
        assert asyncio.current_task() is None
        return await inner()

    done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    assert await _outside(done, lambda: begin(outer())) == 7


async def test_what_it_raises_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        begin(fails())


async def test_what_waits_is_finished_in_a_task() -> None:
    loop = asyncio.get_running_loop()
    work, log = loop.create_future(), list[str]()
    waits = await _outside(loop.create_future(), lambda: begin(_begun_outside_of_a_task(work, log)))
    assert isinstance(waits, Waits)
    task = loop.create_task(resume(waits))
    await asyncio.sleep(0)
    assert log == ["begun"]
    work.set_result(None)
    assert await task == "done"
    assert log == ["begun", "cleaned up"]


async def test_what_it_waits_for_may_be_there_before_the_task() -> None:
    loop = asyncio.get_running_loop()
    work = loop.create_future()
    waits = begin(_begun_outside_of_a_task(work, []))
    assert isinstance(waits, Waits)
    work.set_result(None)
    assert await loop.create_task(resume(waits)) == "done"


async def test_an_error_of_what_it_waits_for_reaches_it() -> None:
    loop = asyncio.get_running_loop()
    work, log = loop.create_future(), list[str]()
    waits = begin(_begun_outside_of_a_task(work, log))
    assert isinstance(waits, Waits)
    work.set_exception(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await resume(waits)
    assert log == ["begun", "cleaned up"]


async def test_cancelling_reaches_it_where_it_waits() -> None:
    loop = asyncio.get_running_loop()
    log: list[str] = []
    waits = begin(_begun_outside_of_a_task(loop.create_future(), log))
    assert isinstance(waits, Waits)
    task = loop.create_task(resume(waits))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["begun", "cancelled", "cleaned up"]


async def test_cancelling_its_task_before_the_first_step_reaches_it_too() -> None:
    loop = asyncio.get_running_loop()
    log: list[str] = []
    waits = begin(_begun_outside_of_a_task(loop.create_future(), log))
    assert isinstance(waits, Waits)
    task = loop.create_task(resume(waits))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["begun", "cancelled", "cleaned up"]


async def test_an_error_reaches_it_through_another_that_awaits_it() -> None:
    loop = asyncio.get_running_loop()
    log: list[str] = []
    waits = begin(_begun_outside_of_a_task(loop.create_future(), log))
    assert isinstance(waits, Waits)

    async def outer() -> str:
        return await resume(waits)

    task = loop.create_task(outer())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["begun", "cancelled", "cleaned up"]


async def test_it_may_go_on_after_a_cancellation() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()

    async def stubborn() -> str:
        try:
            await first
        except asyncio.CancelledError:
            return str(await second)
        return "never"

    waits = begin(stubborn())
    assert isinstance(waits, Waits)
    task = loop.create_task(resume(waits))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    second.set_result("went on")
    assert await task == "went on"


async def test_an_error_can_be_raised_where_it_waits() -> None:
    log: list[str] = []
    waits = begin(_begun_outside_of_a_task(asyncio.get_running_loop().create_future(), log))
    assert isinstance(waits, Waits)
    with pytest.raises(asyncio.CancelledError):
        await resume(waits, asyncio.CancelledError())
    assert log == ["begun", "cancelled", "cleaned up"]


async def test_a_timeout_can_be_entered_once_it_is_in_a_task() -> None:
    loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def limit() -> AsyncIterator[None]:
        await in_task()
        async with asyncio.timeout(0.01):
            yield

    async def late() -> None:
        async with limit():
            await asyncio.get_running_loop().create_future()

    waits = await _outside(loop.create_future(), lambda: begin(late()))
    assert isinstance(waits, Waits)
    with pytest.raises(TimeoutError):
        await loop.create_task(resume(waits))
