"""Threads that nobody waits for: one that is never heard of again holds up nobody."""

import _thread
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bridge import threads
from bridge.threads import Threads, prestarted


@pytest.fixture
def crew() -> Iterator[Threads]:
    made = Threads(2)
    yield made
    made.shutdown()


class Stillborn:
    """Threads that end before they begin, as where memory is short, until there is memory again."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._patched = patched
        patched.setattr(_thread, "start_new_thread", self._start)

    def _start(self, *_: Any) -> int:
        self.count += 1
        return 0

    def no_more(self) -> None:
        """Gives memory."""
        self._patched.undo()


@pytest.fixture
def stillborn(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stillborn]:
    with monkeypatch.context() as patched:
        yield Stillborn(patched)


def test_what_the_function_returns_or_raises_comes_back(crew: Threads) -> None:
    assert crew.submit(divmod, 7, 2).result(30) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        crew.submit(divmod, 1, 0).result(30)
    assert crew.submit(int, "11", base=2).result(30) == 3
    with pytest.raises(RuntimeError, match="StopIteration"):
        crew.submit(next, iter(())).result(30)


def test_there_are_as_many_at_work_as_there_may_be_and_each_begins_first(crew: Threads) -> None:
    begun: list[int] = []
    crew = Threads(3, lambda: begun.append(threading.get_ident()))
    together, go_on = threading.Barrier(4), threading.Event()

    def work() -> int:
        if not go_on.is_set():
            together.wait(30)
            go_on.wait(30)
        return threading.get_ident()

    asked = [crew.submit(work) for _ in range(3)]
    together.wait(30)  # three are at work
    late = [crew.submit(work) for _ in range(20)]
    assert not any(one.done() for one in late)
    go_on.set()
    idents = {one.result(30) for one in [*asked, *late]}
    assert len(idents) == 3
    assert sorted(begun) == sorted(idents)
    crew.shutdown()


def test_one_thread_is_used_again(crew: Threads) -> None:
    assert len({crew.submit(threading.get_ident).result(30) for _ in range(50)}) <= 2


def test_ended_threads_take_no_work_and_what_none_has_begun_is_cancelled() -> None:
    crew, begun, go_on = Threads(1), threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go_on.wait(30)
        return "done"

    first = crew.submit(work)
    assert begun.wait(30)
    second = crew.submit(work)
    crew.shutdown()
    assert second.cancelled()
    with pytest.raises(RuntimeError, match="ended"):
        crew.submit(work)
    go_on.set()
    assert first.result(30) == "done"


def test_the_end_of_the_process_waits_for_work_but_not_for_ever() -> None:
    script = """
import threading
from bridge.threads import Threads
crew, begun = Threads(2), threading.Barrier(3)
crew.submit(lambda: (begun.wait(), threading.main_thread().join(), print("done", flush=True)))
crew.submit(lambda: (begun.wait(), threading.Event().wait()))
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_thread_that_never_begins_is_replaced(
    crew: Threads, stillborn: Stillborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = crew.submit(lambda: 1)
    assert stillborn.count == 1
    stillborn.no_more()
    monkeypatch.setattr(threads, "_UNHEARD_S", 0.0)
    assert crew.submit(lambda: 2).result(30) == 2
    assert first.result(30) == 1


def test_threads_that_may_still_begin_count(crew: Threads, stillborn: Stillborn) -> None:
    for _ in range(5):
        crew.submit(lambda: 1)
    assert stillborn.count == 2


def test_no_thread_at_all_is_said_unless_one_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    crew, begun, go_on = Threads(2), threading.Event(), threading.Event()

    def refused(*_: Any) -> int:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(_thread, "start_new_thread", refused)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            crew.submit(lambda: 1)

    def work() -> None:
        begun.set()
        go_on.wait(30)

    busy = crew.submit(work)
    assert begun.wait(30)
    with monkeypatch.context() as patched:
        patched.setattr(_thread, "start_new_thread", refused)
        later = crew.submit(lambda: 2)
    go_on.set()
    assert later.result(30) == 2
    assert busy.result(30) is None
    crew.shutdown()


def test_a_prestarted_executor_starts_no_thread_later(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = prestarted(3)
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
    assert [one.result(30) for one in [executor.submit(int, "7") for _ in range(20)]] == [7] * 20
    executor.shutdown()
