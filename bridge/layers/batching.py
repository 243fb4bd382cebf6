"""The batching layer: cuts big batches into chunks over the workers, and coalesces small calls while all are busy.

Only for row-wise models. A call is cut into chunks; an execution predicts one chunk, or several small ones as a
coalesced batch. An execution begins at once while a worker is free, and takes what arrived while all were busy: there
is no timer. At the deadline a call gets the ranges that are finished. Chunks of a call that has ended are not begun.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from bridge.calls import Call, Outcome, Scorer, now
from bridge.errors import (
    BridgeError,
    InternalError,
    MalformedPrediction,
    PredictionFailed,
    WorkerLost,
)
from bridge.layers.chunks import CallInChunks, Chunk, coalesce, expire, fail, halves, outcome_of, share
from bridge.model_events import EXECUTION_BUG
from bridge.own_log import OwnLog
from bridge.workload import Workload

__all__ = ["Batching"]

_log = OwnLog(__name__)

_AHEAD_S = 0.001  # the call ends itself before the deadline layer does, which would throw the finished ranges away
_ALIGNED_ROWS = 64  # xgboost predicts in blocks of 64 rows; for R any number will do
_OF_ROWS = (PredictionFailed, MalformedPrediction)  # one row may be the cause: R raises at it, or leaves it out


class Batching:
    """Cuts, coalesces and bisects the calls of one version.

    Args:
        workload: the version's workload, in which executions are counted and their cost is learned.
        row_wise: whether the model is row-wise; if not, no call is cut, coalesced or bisected.
        coalesce: whether small calls are predicted together while no worker is free.
        chunk_rows: the most rows of an execution.
        least_rows: the fewest rows that are worth an execution of their own.
    """

    def __init__(self, workload: Workload, *, row_wise: bool, coalesce: bool, chunk_rows: int, least_rows: int) -> None:
        self._workload = workload
        workload.on_free = self._begin_executions
        self._row_wise = row_wise
        self._coalesce = coalesce and row_wise
        self._chunk_rows = chunk_rows
        self._least_rows = least_rows
        self._waiting: deque[Chunk] = deque()
        self._left = 0
        self._executions: dict[asyncio.Task[None], list[Chunk]] = {}

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the call in one or more executions; rows that fail become failed ranges of the outcome.

        Cancelling drops the call's chunks, and cancels the executions that have no other call's rows.
        """
        size = self._rows_of_a_chunk(call.rows)
        failed = False
        if size >= call.rows and self._workload.idle and not self._waiting:
            # The usual case, without a task or a queue.
            try:
                return await self._execute_directly(call, inner)
            except _OF_ROWS:
                if call.rows == 1 or not self._is_bisected(call):
                    raise
                failed = True
        call.trace.queued = now()
        whole = CallInChunks(call, inner)
        chunks = deque(halves(Chunk(whole, 0, call.rows, lost=call.lost)) if failed else _cut(whole, size))
        # A call has no more chunks in the queue than there are workers, so that a big batch leaves room for others.
        self._waiting.extend(chunks.popleft() for _ in range(min(len(chunks), self._workload.workers)))
        whole.rest = chunks
        self._begin_executions()
        await self._finished(whole)
        return outcome_of(whole)

    async def _finished(self, whole: CallInChunks) -> None:
        """Waits until every row of the call is decided, or the call's time is over."""
        deadline, timer = whole.call.deadline, None
        if deadline is not None:
            timer = asyncio.get_running_loop().call_at(deadline.instant - _AHEAD_S, whole.finish)
        try:
            await whole.done
        except asyncio.CancelledError:
            # A loop that is late, if only by the millisecond that epoll rounds to, runs both timers in one turn. Then
            # the deadline layer cancels a call that this layer had already finished: the caller did not cancel it.
            if deadline is None or not deadline.expired() or whole.done.cancelled():
                raise
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(whole)

    async def _execute_directly(self, call: Call, inner: Scorer) -> Outcome:
        self._workload.running += 1
        try:
            return await self._timed(call, inner)
        finally:
            self._workload.running -= 1
            if self._waiting:
                self._begin_executions()

    def _rows_of_a_chunk(self, rows: int) -> int:
        """Returns how many rows each chunk of a batch gets, so that every worker has some; `rows` for no cut."""
        if not self._row_wise or rows < 2 * self._least_rows:
            return rows
        share = -(-rows // self._workload.workers)
        aligned = -(-max(self._least_rows, share) // _ALIGNED_ROWS) * _ALIGNED_ROWS
        return min(self._chunk_rows, aligned)

    def _begin_executions(self) -> None:
        while self._workload.idle and (chunks := self._next_execution()):
            self._workload.running += 1
            task = asyncio.get_running_loop().create_task(self._execute(chunks))
            self._executions[task] = chunks
            task.add_done_callback(self._end_execution)

    def _end_execution(self, task: asyncio.Task[None]) -> None:
        for chunk in self._executions.pop(task):
            if chunk.whole.rest:
                self._waiting.append(chunk.whole.rest.popleft())
        self._workload.running -= 1
        self._begin_executions()

    def _next_execution(self) -> list[Chunk]:
        """Takes the oldest chunk that a call still waits for, and those behind it that may be coalesced with it."""
        chunks: list[Chunk] = []
        rows = 0
        while self._waiting:
            chunk = self._waiting[0]
            if chunk.whole.gone or expire(chunk):
                self._waiting.popleft()
                continue
            if chunks and not self._coalesces(chunk, chunks[0], rows):
                break
            self._waiting.popleft()
            chunks.append(chunk)
            rows += chunk.count
            if not self._coalesce:
                break
        return chunks

    def _coalesces(self, chunk: Chunk, first: Chunk, rows: int) -> bool:
        """Whether a chunk joins an execution of `rows` rows that begins with `first`; a large chunk never does.

        A large chunk is better off with a worker of its own.
        """
        small = max(chunk.count, first.count) < self._least_rows and rows + chunk.count <= self._chunk_rows
        return small and not (chunk.alone or first.alone) and chunk.whole.shape == first.whole.shape

    async def _execute(self, chunks: list[Chunk]) -> None:
        try:
            share(chunks, await self._predict(chunks))
        except BridgeError as error:
            again = self._repeated(chunks, error)
            self._waiting.extendleft(reversed(again))
            if not again:
                fail(chunks, error)
        except Exception as bug:  # noqa: BLE001 - the calls must not wait for ever
            call = chunks[0].whole.call
            _log.say(EXECUTION_BUG, bug=bug, version=call.model, request_id=call.request_id, calls=len(chunks))
            fail(chunks, InternalError())

    async def _predict(self, chunks: list[Chunk]) -> Outcome:
        inner = chunks[0].whole.inner
        if len(chunks) == 1:
            return await self._timed(chunks[0].call(), inner)
        call = coalesce(chunks)
        try:
            return await self._timed(call, inner)
        finally:
            for chunk in chunks:
                chunk.whole.call.trace.add(call.trace)

    def _repeated(self, chunks: list[Chunk], error: BridgeError) -> list[Chunk]:
        """Returns the chunks to execute again after an error; none if the error is final."""
        if len(chunks) > 1 and isinstance(error, WorkerLost | PredictionFailed | MalformedPrediction):
            # One call's rows may be the cause: the rows of each call get another execution of their own.
            lost = isinstance(error, WorkerLost)
            return [replace(chunk, alone=True, lost=chunk.lost + lost) for chunk in chunks]
        if len(chunks) == 1 and isinstance(error, _OF_ROWS) and self._is_bisected(chunks[0].whole.call):
            return halves(chunks[0])
        return []

    def _is_bisected(self, call: Call) -> bool:
        """Whether to look for the bad row: only if it can get a default or the call is partial. Else the call fails."""
        return self._row_wise and bool(call.defaults or call.partial)

    async def _timed(self, call: Call, inner: Scorer) -> Outcome:
        began = now()
        outcome = await inner(call)
        self._workload.cost.learn(call.rows, now() - began)
        return outcome

    def _leave(self, whole: CallInChunks) -> None:
        whole.gone = True
        if whole.rows_left <= 0:
            return
        running = [task for task, chunks in self._executions.items() if any(chunk.whole is whole for chunk in chunks)]
        if not running:
            whole.call.trace.leave(now())
        for task in running:
            if all(chunk.whole.gone for chunk in self._executions[task]):
                task.cancel()
        # While no worker is free nobody takes chunks of ended calls out of the queue, and they hold these calls' rows.
        # They are removed once they may be half of the queue and not at each leaving, because it may be long.
        whole.rest.clear()
        self._left += 1
        if 2 * self._left > len(self._waiting):
            self._waiting = deque(chunk for chunk in self._waiting if not chunk.whole.gone)
            self._left = 0


def _cut(whole: CallInChunks, size: int) -> Iterator[Chunk]:
    rows = whole.call.rows
    for first in range(0, rows, size):
        yield Chunk(whole, first, min(size, rows - first), lost=whole.call.lost)
