"""Reads that may never return: each in a thread that nobody waits for, and one at a time once one hangs."""

import asyncio
import threading

import pytest
from waiting import eventually

from bridge.errors import PassingFailure
from bridge.reads import Reads


async def test_what_the_function_returns_or_raises_comes_back() -> None:
    reads = Reads()
    assert await reads.run("it", 60, lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await reads.run("it", 60, lambda: 1 // 0)
    with pytest.raises(TimeoutError, match="of the disk"):
        await reads.run("it", 60, lambda: (_ for _ in ()).throw(TimeoutError("of the disk")))
    assert reads.hanging() == {}


async def test_what_a_future_can_not_take_does_not_leave_its_caller_waiting() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await Reads().run("it", 60, lambda: next(iter(())))


async def test_one_that_hangs_is_left_and_no_other_of_its_subject_is_begun_until_it_comes_back() -> None:
    reads, release, begun = Reads(), threading.Event(), []

    def hang() -> None:
        begun.append(threading.current_thread())
        release.wait()

    try:
        with pytest.raises(PassingFailure, match=r"^a read of m did not return within 0\.01 s$") as refused:
            await reads.run("m", 0.01, hang)
        assert refused.value.limit == "0.01 s"
        for _ in range(3):
            with pytest.raises(PassingFailure, match=r"^a read of m has not returned for \d+ s, and no other is begun"):
                await reads.run("m", 60, hang)
        assert len(begun) == 1
        assert begun[0].daemon, "it would keep the process from ending"
        assert reads.hanging() == {"m": 1}
        assert await reads.run("another", 60, lambda: 5) == 5
    finally:
        release.set()
    await eventually(lambda: reads.hanging() == {})
    assert await reads.run("m", 60, lambda: 6) == 6


async def test_a_thread_that_never_begins_is_not_waited_for_and_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, what = Reads(), []
    with monkeypatch.context() as patched:
        patched.setattr("_thread.start_new_thread", lambda work, arguments: what.append((work, arguments)))
        with pytest.raises(PassingFailure, match=r"^a read of m was not begun within 0\.01 s: memory is short$"):
            await reads.run("m", 0.01, lambda: 5)
    assert reads.hanging() == {}
    assert await reads.run("m", 60, lambda: 6) == 6
    ((work, arguments),) = what
    work(*arguments)  # one that begins after all does nothing any more


async def test_many_that_hang_leave_threads_for_others() -> None:
    reads, release = Reads(), threading.Event()
    try:
        hung = [reads.run(f"m{number}", 1, release.wait) for number in range(64)]
        answers = await asyncio.gather(*hung, return_exceptions=True)
        assert {type(answer) for answer in answers} == {PassingFailure}
        assert len(reads.hanging()) == 64
        assert await reads.run("another", 60, lambda: 5) == 5
        assert await asyncio.to_thread(lambda: 6) == 6
    finally:
        release.set()
    await eventually(lambda: reads.hanging() == {})


async def test_whoever_is_cancelled_leaves_the_thread_and_no_trace() -> None:
    reads, begun, release = Reads(), threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        release.wait()
        raise ZeroDivisionError

    task = asyncio.create_task(reads.run("m", 60, fail))
    await eventually(begun.is_set)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert reads.hanging() == {"m": 1}
    release.set()
    await eventually(lambda: reads.hanging() == {})
