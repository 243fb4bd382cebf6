"""Work beside the event loop: one piece after the other, and callers take turns."""

import asyncio
import threading

import pytest
from waiting import moment

from bridge.beside import beside, is_much
from bridge.eager import Waits, begin, resume
from bridge.threads import Threads


async def test_callers_take_turns_and_who_has_left_is_passed_over() -> None:
    release, begun = threading.Event(), []

    def work(name: str) -> str:
        begun.append(name)
        release.wait()
        return name

    names = ["a1", "a2", "a3", "a4", "b1", "c1", "b2"]
    tasks = [asyncio.create_task(beside(lambda name=name: work(name), name[0])) for name in names]  # type: ignore[misc]
    try:
        while begun != ["a1"]:
            await moment()
        tasks[names.index("b1")].cancel()
    finally:
        release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert begun == ["a1", "a2", "b2", "c1", "a3", "a4"]
    assert [result for result in results if isinstance(result, str)] == ["a1", "a2", "a3", "a4", "c1", "b2"]


async def test_what_is_cancelled_while_it_runs_or_fails_gives_its_turn_back() -> None:
    release, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait()

    try:
        hanging = asyncio.create_task(beside(hang))
        while not begun.is_set():
            await moment()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
    finally:
        release.set()
    with pytest.raises(ZeroDivisionError):
        await beside(lambda: 1 // 0)
    assert await beside(lambda: 5) == 5


async def test_who_leaves_before_it_is_in_a_task_is_passed_over_too() -> None:
    release = threading.Event()
    try:
        running = asyncio.create_task(beside(release.wait))
        await asyncio.sleep(0)
        waits = begin(beside(lambda: 1))
        assert isinstance(waits, Waits)
        with pytest.raises(asyncio.CancelledError):
            await resume(waits, asyncio.CancelledError())
    finally:
        release.set()
    assert await running
    assert await asyncio.wait_for(beside(lambda: 5), 30) == 5


async def test_what_a_future_can_not_take_does_not_leave_its_caller_waiting() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await beside(lambda: next(iter(())))


async def test_a_thread_that_never_begins_holds_up_only_those_who_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.beside._thread", Threads(1))  # none of its threads runs yet
    with monkeypatch.context() as patched:
        patched.setattr("_thread.start_new_thread", lambda *_: 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(beside(lambda: 5), 0.01)
    monkeypatch.setattr("bridge.threads._UNHEARD_S", 0.0)
    assert await beside(lambda: 6) == 6


@pytest.mark.parametrize(("rows", "ranges", "much"), [(2000, 256, False), (2001, 1, True), (300, 257, True)])
def test_what_is_much(rows: int, ranges: int, *, much: bool) -> None:
    assert is_much(rows, ranges) is much
