"""Batching: big batches in chunks over the workers, small calls together while every worker is busy, never by a timer.

Only for models whose rows don't depend on each other. A call is cut into pieces; a run predicts one piece, or several
small ones together. A run begins at once while a worker is free; what arrives meanwhile is the next run. At the
deadline a call gets the ranges that are finished; pieces that nobody waits for any more are not begun.
"""

import asyncio
import logging
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
from bridge.layers.pieces import Member, Piece, expire, fail, halves, joint, outcome_of, share
from bridge.load import Load

__all__ = ["Batching"]

_log = logging.getLogger(__name__)

_AHEAD_S = 0.001  # before the deadline layer ends the call, which would throw the finished ranges away
_ALIGNED_ROWS = 64  # xgboost's block; for R it is as good as any
_OF_ROWS = (PredictionFailed, MalformedPrediction)  # may be one row's doing: it raises, or is left out of the scores


class Batching:
    """Cuts, joins and bisects the calls of one version.

    Args:
        load: the version's; runs are counted and their cost is learned there.
        row_wise: nothing is cut, joined or bisected without it.
        coalesce: calls are joined.
        chunk_rows: the most rows of a run.
        least_rows: a piece smaller than this is not worth a run of its own.
    """

    def __init__(self, load: Load, *, row_wise: bool, coalesce: bool, chunk_rows: int, least_rows: int) -> None:
        self._load = load
        load.on_free = self._begin_runs
        self._row_wise = row_wise
        self._coalesce = coalesce and row_wise
        self._chunk_rows = chunk_rows
        self._least_rows = least_rows
        self._waiting: deque[Piece] = deque()
        self._left = 0
        self._runs: dict[asyncio.Task[None], list[Piece]] = {}

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the call in as many runs as it takes; failed rows are failed ranges.

        Cancelling drops its pieces; a run that has no other member is cancelled with it.
        """
        size = self._piece_rows(call.rows)
        failed = False
        if size >= call.rows and self._load.idle and not self._waiting:
            # The usual case, without a task or a queue: this call is the run.
            try:
                return await self._run_directly(call, inner)
            except _OF_ROWS:
                if call.rows == 1 or not self._is_bisected(call):
                    raise
                failed = True
        call.trace.queued = now()
        member = Member(call, inner)
        pieces = deque(halves(Piece(member, 0, call.rows, lost=call.lost)) if failed else _cut(member, size))
        # Not more at a time than there are workers, so that a big batch leaves room for the calls of others.
        self._waiting.extend(pieces.popleft() for _ in range(min(len(pieces), self._load.workers)))
        member.rest = pieces
        self._begin_runs()
        await self._finished(member)
        return outcome_of(member)

    async def _finished(self, member: Member) -> None:
        """Waits until all of its rows are decided, or its time is over."""
        deadline, timer = member.call.deadline, None
        if deadline is not None:
            timer = asyncio.get_running_loop().call_at(deadline.instant - _AHEAD_S, member.finish)
        try:
            await member.done
        except asyncio.CancelledError:
            # A loop that is late, if only by the millisecond that epoll rounds to, does what was due in one turn: the
            # deadline layer ends a call that was finished before.
            if deadline is None or not deadline.expired() or member.done.cancelled():
                raise
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(member)

    async def _run_directly(self, call: Call, inner: Scorer) -> Outcome:
        self._load.running += 1
        try:
            return await self._timed(call, inner)
        finally:
            self._load.running -= 1
            if self._waiting:
                self._begin_runs()

    def _piece_rows(self, rows: int) -> int:
        """How many rows of a batch of so many one run is to have, so that every worker gets some."""
        if not self._row_wise or rows < 2 * self._least_rows:
            return rows
        share = -(-rows // self._load.workers)
        aligned = -(-max(self._least_rows, share) // _ALIGNED_ROWS) * _ALIGNED_ROWS
        return min(self._chunk_rows, aligned)

    def _begin_runs(self) -> None:
        while self._load.idle and (pieces := self._next_run()):
            self._load.running += 1
            task = asyncio.get_running_loop().create_task(self._run(pieces))
            self._runs[task] = pieces
            task.add_done_callback(self._end_run)

    def _end_run(self, task: asyncio.Task[None]) -> None:
        for piece in self._runs.pop(task):
            if piece.member.rest:
                self._waiting.append(piece.member.rest.popleft())
        self._load.running -= 1
        self._begin_runs()

    def _next_run(self) -> list[Piece]:
        """What has waited longest and is still wanted, with what may join it."""
        pieces: list[Piece] = []
        rows = 0
        while self._waiting:
            piece = self._waiting[0]
            if piece.member.gone or expire(piece):
                self._waiting.popleft()
                continue
            if pieces and not self._joins(piece, pieces[0], rows):
                break
            self._waiting.popleft()
            pieces.append(piece)
            rows += piece.count
            if not self._coalesce:
                break
        return pieces

    def _joins(self, piece: Piece, first: Piece, rows: int) -> bool:
        """Only small pieces are predicted together: a large one is better off with a worker of its own."""
        small = max(piece.count, first.count) < self._least_rows and rows + piece.count <= self._chunk_rows
        return small and not (piece.alone or first.alone) and piece.member.shape == first.member.shape

    async def _run(self, pieces: list[Piece]) -> None:
        try:
            share(pieces, await self._predict(pieces))
        except BridgeError as error:
            again = self._repeated(pieces, error)
            self._waiting.extendleft(reversed(again))
            if not again:
                fail(pieces, error)
        except Exception:  # noqa: BLE001 - its members must not wait for ever
            _log.exception("a run failed inside the bridge")
            fail(pieces, InternalError(f"{pieces[0].member.call.model}: the bridge failed; its log says where"))

    async def _predict(self, pieces: list[Piece]) -> Outcome:
        inner = pieces[0].member.inner
        if len(pieces) == 1:
            return await self._timed(pieces[0].call(), inner)
        call = joint(pieces)
        try:
            return await self._timed(call, inner)
        finally:
            for piece in pieces:
                piece.member.call.trace.add(call.trace)

    def _repeated(self, pieces: list[Piece], error: BridgeError) -> list[Piece]:
        """What is run again after an error; nothing if that is how it stays."""
        if len(pieces) > 1 and isinstance(error, WorkerLost | PredictionFailed | MalformedPrediction):
            # One member's rows may be the cause: each gets another run, for itself.
            lost = isinstance(error, WorkerLost)
            return [replace(piece, alone=True, lost=piece.lost + lost) for piece in pieces]
        if len(pieces) == 1 and isinstance(error, _OF_ROWS) and self._is_bisected(pieces[0].member.call):
            return halves(pieces[0])
        return []

    def _is_bisected(self, call: Call) -> bool:
        """A bad row is worth being found: without a default for it, it fails the call unless the others are wanted."""
        return self._row_wise and bool(call.defaults or call.partial)

    async def _timed(self, call: Call, inner: Scorer) -> Outcome:
        began = now()
        outcome = await inner(call)
        self._load.cost.learn(call.rows, now() - began)
        return outcome

    def _leave(self, member: Member) -> None:
        member.gone = True
        if member.rows_left <= 0:
            return
        running = [task for task, pieces in self._runs.items() if any(piece.member is member for piece in pieces)]
        if not running:
            member.call.trace.leave(now())
        for task in running:
            if all(piece.member.gone for piece in self._runs[task]):
                task.cancel()
        # While no worker is free nobody takes pieces out, and they hold their callers' rows. Not at each leaving: the
        # queue may be long.
        member.rest.clear()
        self._left += 1
        if 2 * self._left > len(self._waiting):
            self._waiting = deque(piece for piece in self._waiting if not piece.member.gone)
            self._left = 0


def _cut(member: Member, size: int) -> Iterator[Piece]:
    rows = member.call.rows
    for first in range(0, rows, size):
        yield Piece(member, first, min(size, rows - first), lost=member.call.lost)
