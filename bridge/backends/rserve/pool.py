"""The workers of one resident version: leased one call at a time, killed when lost, replaced in the background."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from bridge.backends.rserve.connection import ConnectionLost, RemoteError
from bridge.backends.rserve.process import RserveProcess
from bridge.backends.rserve.qap import ProtocolError
from bridge.backends.rserve.rvalues import RValue
from bridge.backends.rserve.start_failures import why_not_loaded, why_not_started
from bridge.backends.rserve.worker import Greeting, Worker, to_the_end
from bridge.bundles.settings import ModelSettings
from bridge.calls import Trace, now
from bridge.errors import BundleError
from bridge.load import Load

__all__ = ["OUT_OF_REPLY_SPACE", "R_ERROR", "WorkerPool"]

_log = logging.getLogger(__name__)

R_ERROR = 127
OUT_OF_REPLY_SPACE = 0x4C
_FORK_TIMEOUT_S = 10.0  # a fork with its first full collection can take seconds on a model of many small parts
_OUTSIZED_BYTES = 16 << 20  # a worker's input buffer never shrinks
_BACKOFF_S, _BACKOFF_MAX_S = 0.1, 5.0


class WorkerPool:
    """Always `workers` of them, as far as R lets us.

    Args:
        bundle: the folder to load.
        digest: its name, which each worker must repeat.
        settings: the model's; `workers`, `load_timeout_s`, `kill_after_s`, `worker_recycle_calls`, `memory_limit_mb`,
            `seed`, `input`, `row_by_row` and the world to run in count here.
        load: is told of workers that go on for nobody, and of those that overran.
    """

    def __init__(self, bundle: Path, digest: str, settings: ModelSettings, load: Load) -> None:
        self._load = load
        self._bundle = bundle
        self._name = f"{bundle.parent.name}/{bundle.name}"
        self._digest = digest
        self._settings = settings
        self._processes: set[RserveProcess] = set()
        self._process: RserveProcess | None = None
        self._forking = asyncio.Lock()
        self._workers: set[Worker] = set()
        self._dying: set[Worker] = set()
        self._idle: list[Worker] = []
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._failure: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> Greeting:
        """Loads the bundle and starts all workers; what the first one says of it.

        Raises:
            BundleError: R is not there, or the bundle does not load.
            PassingFailure: not within `load_timeout_s`, or for want of what may be there later.
            OSError: likewise.
        """
        try:
            async with asyncio.timeout(self._settings.load_timeout_s):
                greeting = await self._add_worker()
                for _ in range(1, self._settings.workers):
                    await self._add_worker()
        except (TimeoutError, ConnectionLost, ProtocolError) as error:
            failure = why_not_started(error, self._process, self._settings.load_timeout_s)
            await self.close()
            raise failure from error
        except BaseException:
            await self.close()
            raise
        return greeting

    async def call(self, arguments: Sequence[RValue], trace: Trace, *, trial: bool = False) -> RValue:
        """Has a free worker score, or try; waits for one if there is none. The trace says what it took.

        Cancelling returns at once. A worker that is at work then gets the rest of `kill_after_s` to finish, or is
        killed; its answer is dropped.

        Raises:
            ConnectionLost: the worker died, or none can be started.
            ProtocolError: the worker answered nonsense.
            RemoteError: Rserve answered with an error.
        """
        asked = now()
        worker = await self._acquire()
        sent = now()
        trace.ask(asked, sent)
        try:
            value = await worker.call(arguments, trial=trial)
        except asyncio.CancelledError:
            self._load.occupy()
            self._spawn(self._settle(worker, sent))
            raise
        except RemoteError as error:
            if error.status in (R_ERROR, OUT_OF_REPLY_SPACE):
                self._release(worker)
            else:
                self._discard(worker)
            raise
        except BaseException:
            self._discard(worker)
            raise
        finally:
            trace.answered = now()
        self._release(worker)
        return value

    async def close(self) -> None:
        """Kills every worker and parent; idempotent. A cancellation waits until nothing of them is left."""
        await to_the_end(self._close())

    async def _close(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._refuse_waiting(ConnectionLost("the version is being unloaded"))
        for process in list(self._processes):
            await process.close()
        self._processes.clear()
        for worker in self._workers | self._dying:
            worker.forget()
        self._workers.clear()
        self._dying.clear()
        self._idle.clear()

    async def _acquire(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if not worker.connection.lost:
                return worker
        if self._closed or (self._failure is not None and not self._workers):
            raise ConnectionLost("no R worker can be started") from self._failure
        waiter: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # It may have been handed over in the very moment of the cancellation.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._release(waiter.result())
            raise

    def _release(self, worker: Worker) -> None:
        spent = worker.calls >= self._settings.worker_recycle_calls or worker.connection.largest_bytes > _OUTSIZED_BYTES
        if worker.connection.lost or spent:
            self._discard(worker)
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        self._idle.append(worker)

    def _discard(self, worker: Worker) -> None:
        if worker not in self._workers or self._closed:
            return
        self._workers.remove(worker)
        self._dying.add(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self._spawn(self._replace(worker))

    async def _settle(self, worker: Worker, sent: float) -> None:
        """Waits for an exchange that nobody waits for any more; the worker's limit counts from when it was sent."""
        try:
            async with asyncio.timeout_at(sent + self._settings.worker_limit_s):
                await worker.connection.settled()
        except TimeoutError:
            limit_s = self._settings.worker_limit_s
            _log.warning("worker %d of %s was killed: busy for more than %g s", worker.pid, self._name, limit_s)
            self._discard(worker)
            self._load.on_overrun()
        except ConnectionLost:
            self._discard(worker)
        else:
            self._release(worker)
        finally:
            self._load.free()

    async def _replace(self, worker: Worker) -> None:
        await worker.kill()
        self._dying.discard(worker)
        await self._retire_processes()
        again = AsyncRetrying(
            retry=retry_if_exception_type((ConnectionLost, ProtocolError, TimeoutError, BundleError, OSError)),
            wait=wait_random_exponential(_BACKOFF_S, _BACKOFF_MAX_S),
        )
        async for attempt in again:
            with attempt:
                await self._try_add_worker()
        await self._retire_processes()  # of those that were tried in vain too

    async def _try_add_worker(self) -> None:
        fresh = self._process is not None and self._process.alive
        try:
            async with asyncio.timeout(_FORK_TIMEOUT_S if fresh else self._settings.load_timeout_s):
                await self._add_worker()
        except Exception as error:
            _log.warning("no new worker for %s: %s", self._name, error or type(error).__name__)
            self._failure = error
            if isinstance(error, TimeoutError) and self._process is not None:
                self._process.kill_parent()  # it hangs; its workers may go on
            if not self._workers:
                self._refuse_waiting(error)
            raise

    async def _add_worker(self) -> Greeting:
        # One at a time: the parent forks one at a time anyway, and only one of us may start a new parent.
        async with self._forking:
            process = await self._living_process()
            worker = await Worker.fork(process)
        error = worker.greeting.error
        if error is None and worker.greeting.digest != self._digest:
            error = "the worker has loaded another bundle"
        if error is not None:
            failure = why_not_loaded(error, process)
            process.kill_parent()  # it would fork the same again; the next one loads the bundle anew
            await worker.kill()
            raise failure
        self._workers.add(worker)
        worker.connection.on_lost(lambda: self._note_lost(worker))
        process.on_exit(lambda: self._spawn(self._restart()))
        self._failure = None
        self._release(worker)
        return worker.greeting

    async def _living_process(self) -> RserveProcess:
        if self._process is None or not self._process.alive:
            self._process = await RserveProcess.start(self._bundle, self._digest, self._settings)
            self._processes.add(self._process)
        return self._process

    async def _restart(self) -> None:
        """Has the bundle loaded again before a worker is needed, because loading may take long."""
        _log.warning("the Rserve of %s ended; its workers go on, and a new one is started", self._name)
        async with self._forking:
            if not self._closed:
                await self._living_process()

    async def _retire_processes(self) -> None:
        """Removes what is left of parents that are gone, once their last worker is."""
        while gone := self._unused_process():
            self._processes.discard(gone)
            await gone.close()

    def _unused_process(self) -> RserveProcess | None:
        used = {worker.process for worker in self._workers}
        return next((process for process in self._processes if process not in used and not process.alive), None)

    def _note_lost(self, worker: Worker) -> None:
        if worker in self._idle:
            self._discard(worker)

    def _refuse_waiting(self, error: Exception) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectionLost(f"no R worker can be started: {error}"))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("what was done for the workers of %s failed", self._name, exc_info=error)
