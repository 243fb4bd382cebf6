"""Starts threads so that a lack of memory at their start stops nobody.

`threading.Thread.start` waits, without a limit, for the new thread to say that it runs. One that lacks the memory for
its first steps ends without saying so, and whoever started it waits for ever: the event loop, and with it all calls.
"""

import _thread
import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

__all__ = ["Threads", "fulfil", "prestarted", "start"]

_UNHEARD_S = 5.0  # a thread that has not begun by then never will
_LAST_S = 1.0  # how long the end of the process waits for work that goes on

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Work = tuple[Future[Any], Callable[[], Any]]


def start(work: Callable[..., None], *arguments: Any) -> None:
    """Runs a function in a thread of its own, which nobody joins, and returns at once.

    Where memory is short, the function may never be called, and nobody is told.

    Args:
        work: the function, which must not raise.
        arguments: its arguments.

    Raises:
        RuntimeError: the system gives no thread.
    """
    _thread.start_new_thread(work, arguments)


def fulfil(future: Future[_Result], work: Callable[[], _Result]) -> None:
    """Runs a function, unless its future was cancelled before, and sets what it returns or raises as the result."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except StopIteration as error:  # asyncio's futures refuse one, so whoever awaits it would wait for ever
        future.set_exception(RuntimeError(f"StopIteration: {error}"))
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
        future.set_exception(error)
    else:
        future.set_result(result)


def prestarted(threads: int) -> ThreadPoolExecutor:
    """Returns an executor all of whose threads run: it starts none when work comes. Waits until they do."""
    executor, together = ThreadPoolExecutor(threads), threading.Barrier(threads)
    for waiting in [executor.submit(together.wait) for _ in range(threads)]:
        waiting.result()
    return executor


class Threads(Executor):
    """Threads that are started when there is work, and are not waited for, neither at their start nor at the end.

    Args:
        most: the most threads.
        begin: called by each thread before its first work; it must not raise.
    """

    def __init__(self, most: int, begin: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._begin = begin
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._running = 0
        self._started: list[float] = []  # when threads were started that have not begun yet
        self._closed = False
        self._ended = threading.Event()
        _all.add(self)

    def submit(
        self, work: Callable[_Arguments, _Result], /, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> Future[_Result]:
        """Has a thread run a function, and returns the future result.

        Raises:
            RuntimeError: the threads were ended, or the system gives no thread and none runs; the function is then not
                called.
        """
        if self._closed:
            raise RuntimeError("the threads were ended, and take no work any more")
        future = Future[_Result]()
        self._work.put((future, lambda: work(*args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            try:
                self._grow()
            except RuntimeError:
                future.cancel()
                raise
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Lets the threads end after their present work; work that none has begun is cancelled. Waits for nothing."""
        del wait, cancel_futures  # as Executor has them
        self._closed = True
        with suppress(Empty):
            while (left := self._work.get_nowait()) is not None:
                left[0].cancel()
        self._work.put(None)

    def _grow(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._started = [at for at in self._started if now - at < _UNHEARD_S]
            if self._running + len(self._started) >= self._most:
                return
            self._started.append(now)
        try:
            start(self._run)
        except RuntimeError:
            with self._lock:
                self._started.remove(now)
                if not self._running:
                    raise

    def wait(self, limit_s: float) -> None:
        """Waits until the threads have ended, for so many seconds at most; after `shutdown`."""
        if self._running:
            self._ended.wait(limit_s)

    def _run(self) -> None:
        with self._lock:
            self._running += 1
            if self._started:
                self._started.pop()
        self._begin()
        while (taken := self._take()) is not None:
            fulfil(*taken)
            del taken  # the work and its result are not kept while the thread waits
        self._work.put(None)  # for the next thread to end
        with self._lock:
            self._running -= 1
            if not self._running:
                self._ended.set()

    def _take(self) -> _Work | None:
        try:
            return self._work.get_nowait()
        except Empty:
            self._idle.release()
            return self._work.get()


_all: WeakSet[Threads] = WeakSet()


def _end_all() -> None:
    """Ends all threads at the end of the process, which else would come while they still hold what they worked on."""
    until = time.monotonic() + _LAST_S
    for threads in list(_all):
        threads.shutdown()
    for threads in list(_all):
        threads.wait(max(0.0, until - time.monotonic()))


atexit.register(_end_all)
