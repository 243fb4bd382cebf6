"""The workers of one resident version: leased one call at a time, killed when lost, replaced in the background."""

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Generic, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from bridge.bundles.settings import ModelSettings
from bridge.calls import Trace, now
from bridge.errors import BundleError, PassingFailure
from bridge.model_events import WORKER_KILLED, WORKER_LEFT_PROCESSES, WORKER_NOT_STARTED
from bridge.own_log import OwnLog
from bridge.workers.background import Background, to_the_end
from bridge.workers.snapshot import Snapshot
from bridge.workers.spawner import PooledWorker, Spawner
from bridge.workload import Workload

__all__ = ["NoWorker", "WorkerPool"]

_log = OwnLog(__name__)

_BACKOFF_S, _BACKOFF_MAX_S = 0.1, 5.0
_W = TypeVar("_W", bound=PooledWorker)


class NoWorker(Exception):
    """No worker is there to wait for: none can be started, or the version is being unloaded."""


class WorkerPool(Generic[_W]):
    """Keeps `workers` workers running, leases each to one call at a time, and replaces those that end or are spent.

    Args:
        spawner: starts the workers, and says which of them may go on.
        name: the version that the workers belong to, such as "model/version"; only the log shows it.
        settings: the model's settings. The pool uses `workers`, `load_timeout_s`, and `kill_after_s` or else
            `timeout_s`.
        workload: is told when a worker goes on for a call that has ended, and when a worker overran its limit.

    Attributes:
        spawner: the spawner that was given.
    """

    def __init__(self, spawner: Spawner[_W], name: str, settings: ModelSettings, workload: Workload) -> None:
        self.spawner = spawner
        self._name = name
        self._wanted = settings.workers
        self._load_timeout_s = settings.load_timeout_s
        self._limit_s = settings.worker_limit_s
        self._workload = workload
        self._workers: set[_W] = set()
        self._idle: list[_W] = []
        self._settling: set[_W] = set()
        self._dying: set[_W] = set()
        self._waiting: deque[asyncio.Future[_W]] = deque()
        self._failure: Exception | None = None
        self._background = Background(name)
        self._closed = False
        self._leases = self._replaced = self._overrun = 0
        self._waits_s = 0.0

    async def start(self) -> _W:
        """Starts all workers and returns the first, which can say what it has loaded. Closes the pool on any failure.

        Raises:
            BundleError: the bundle does not load.
            PassingFailure: the workers were not ready within `load_timeout_s`, or something was short that may be there
                later.
            OSError: no process, file descriptor or memory is free.
        """
        try:
            async with asyncio.timeout(self._load_timeout_s):
                first = self._add(await self.spawner.spawn())
                for _ in range(1, self._wanted):
                    self._add(await self.spawner.spawn())
        except TimeoutError as error:
            await self.close()
            limit = f"{self._load_timeout_s:g} s"
            raise PassingFailure(f"the bundle was not loaded within {limit} (load_timeout_s)", limit=limit) from error
        except BaseException:
            await self.close()
            raise
        return first

    def lease(self, trace: Trace, request_id: str = "") -> AbstractAsyncContextManager[_W]:
        """Returns a context manager that leases a worker to one call, and waits for one if none is free.

        Use it as `async with pool.lease(trace) as worker:`. The worker is given back however the call ends, and the
        times are noted in `trace`. After an error the worker is kept or killed, as the spawner says. A call that is
        cancelled, or leaves while its worker is busy, does not wait: the worker may finish within `kill_after_s`,
        counted from when the call got it, and is killed after that, which is said with `request_id`. Its answer is
        dropped.

        Raises:
            NoWorker: on entering: there is no worker, and none can be started.
        """
        return _Lease(self, trace, request_id)

    def snapshot(self) -> Snapshot:
        """Returns the number of workers in each state, and the pool's counters."""
        idle, settling = len(self._idle), len(self._settling)
        return Snapshot(
            idle=idle,
            leased=len(self._workers) - idle - settling,
            settling=settling,
            dying=len(self._dying),
            starting=0 if self._closed else max(0, self._wanted - len(self._workers) - len(self._dying)),
            waiting=sum(not waiter.done() for waiter in self._waiting),
            leases=self._leases,
            waits_s=self._waits_s,
            replaced=self._replaced,
            overrun=self._overrun,
            pids=frozenset(worker.pid for worker in self._workers),
            idle_pids=frozenset(worker.pid for worker in self._idle),
        )

    async def close(self) -> None:
        """Ends every worker and the processes that started them; idempotent.

        Calls that wait for a worker get `NoWorker`. A cancellation is raised only after everything has ended.
        """
        await to_the_end(self._close())

    async def _close(self) -> None:
        self._closed = True
        await self._background.close()
        self._refuse_waiting(None)
        await self.spawner.close()
        for workers in (self._workers, self._idle, self._settling, self._dying):
            workers.clear()

    def _take_idle(self) -> _W | None:
        while self._idle and not self._closed:
            worker = self._idle.pop()
            if not worker.lost:
                self._leases += 1
                return worker
            self._discard(worker)
        return None

    async def _wait(self, asked: float) -> _W:
        if self._closed or (self._failure is not None and not self._workers):
            raise self._no_worker(self._failure)
        waiter: asyncio.Future[_W] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            worker = await waiter
        except BaseException:
            # A call that ended before it was in a task leaves its waiter as it is: it must not be handed a worker. One
            # that was cancelled may have been handed one in the same turn of the loop.
            if not waiter.cancel() and not waiter.cancelled() and waiter.exception() is None:
                self._release(waiter.result())
            raise
        self._leases += 1
        self._waits_s += now() - asked
        return worker

    def _give_back(self, worker: _W, sent: float, request_id: str, error: BaseException | None) -> None:
        if self._closed:
            return
        ended = error is None or isinstance(error, asyncio.CancelledError)
        if not (ended or (isinstance(error, Exception) and self.spawner.leaves_usable(error))):
            self._discard(worker)
        elif worker.busy:
            self._workload.occupy()
            self._settling.add(worker)
            self._background.start(self._settle(worker, sent, request_id))
        else:
            self._release(worker)

    def _release(self, worker: _W) -> None:
        if worker.lost or self.spawner.spent(worker):
            self._discard(worker)
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        self._idle.append(worker)

    def _discard(self, worker: _W) -> None:
        if worker not in self._workers or self._closed:
            return
        self._workers.remove(worker)
        self._dying.add(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self._background.start(self._replace(worker))

    async def _settle(self, worker: _W, sent: float, request_id: str) -> None:
        """Waits for a worker whose call has ended, and kills it at its limit, counted from when the call got it."""
        try:
            async with asyncio.timeout_at(sent + self._limit_s):
                await worker.settled()
        except TimeoutError:
            self._settling.discard(worker)
            _log.say(WORKER_KILLED, pid=worker.pid, version=self._name, seconds=self._limit_s, request_id=request_id)
            self._overrun += 1
            self._discard(worker)
            self._workload.on_overrun()
        else:
            self._settling.discard(worker)
            self._release(worker)
        finally:
            self._workload.free()

    async def _replace(self, worker: _W) -> None:
        try:
            await worker.kill()
        except OSError as error:
            _log.say(WORKER_LEFT_PROCESSES, pid=worker.pid, version=self._name, error=error)
        self._dying.discard(worker)
        again = AsyncRetrying(
            retry=retry_if_exception_type((BundleError, OSError)),
            wait=wait_random_exponential(_BACKOFF_S, _BACKOFF_MAX_S),
        )
        async for attempt in again:
            with attempt:
                await self._try_to_add()
        self._replaced += 1

    async def _try_to_add(self) -> None:
        try:
            self._add(await self.spawner.respawn())
        except Exception as error:
            _log.say(WORKER_NOT_STARTED, version=self._name, error=_in_words(error))
            self._failure = error
            if not self._workers:
                self._refuse_waiting(error)
            raise

    def _add(self, worker: _W) -> _W:
        self._workers.add(worker)
        worker.on_lost(partial(self._note_lost, worker))
        self._failure = None
        self._release(worker)
        return worker

    def _note_lost(self, worker: _W) -> None:
        if worker in self._idle:
            self._discard(worker)

    def _refuse_waiting(self, cause: Exception | None) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(self._no_worker(cause))

    def _no_worker(self, cause: Exception | None) -> NoWorker:
        why = "the version is being unloaded" if self._closed or cause is None else _in_words(cause)
        error = NoWorker(f"no worker can be started: {why}")
        error.__cause__ = cause
        return error


def _in_words(error: Exception) -> str:
    return str(error) or type(error).__name__


class _Lease(Generic[_W]):
    """A worker's lease to one call. A class, because a generator would cost every call microseconds more."""

    __slots__ = ("_pool", "_request_id", "_sent", "_trace", "_worker")

    def __init__(self, pool: WorkerPool[_W], trace: Trace, request_id: str) -> None:
        self._pool = pool
        self._trace = trace
        self._request_id = request_id

    async def __aenter__(self) -> _W:
        asked = now()
        worker = self._pool._take_idle()  # noqa: SLF001 - a lease is the pool's own
        if worker is None:
            worker = await self._pool._wait(asked)  # noqa: SLF001 - a lease is the pool's own
        self._worker = worker
        self._sent = now()
        self._trace.ask(asked, self._sent)
        return worker

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._trace.answered = now()
        self._pool._give_back(self._worker, self._sent, self._request_id, error)  # noqa: SLF001 - a lease is the pool's own
