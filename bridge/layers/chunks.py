"""Chunks of calls, for the batching layer: how they are coalesced, halved, and joined into the outcomes of calls."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bridge.attempts import Attempts
from bridge.calls import Call, Outcome, Range, Scorer, Trace
from bridge.columns import Column, Matrix, join
from bridge.errors import BridgeError, DeadlineExceeded

__all__ = ["CallInChunks", "Chunk", "coalesce", "expire", "fail", "halves", "outcome_of", "share"]


class CallInChunks:
    """A call whose rows are predicted in chunks, with the ranges that are decided so far.

    A row is decided when it has scores or a final error.

    Attributes:
        call: the call to score.
        inner: the scorer of the layers below.
        done: a future that is resolved when every row is decided or the call's time is over.
        ranges: the decided ranges, in any order.
        rows_left: the number of rows that are not decided.
        rest: the call's chunks that are not in the queue for a worker yet.
        gone: whether the call has ended, so that no result is needed any more.
    """

    def __init__(self, call: Call, inner: Scorer) -> None:
        self.call = call
        self.inner = inner
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ranges: list[Range] = []
        self.rows_left = call.rows
        self.rest: deque[Chunk] = deque()
        self.gone = False

    @cached_property
    def shape(self) -> object:
        """A key, equal for calls that can be coalesced: those with equal columns in the same order, of equal types."""
        batch = self.call.batch
        if isinstance(batch, Matrix):
            return batch.values.shape[1], batch.values.dtype
        return tuple((column.name, column.type, column.levels) for column in batch.columns)

    def add(self, *ranges: Range) -> None:
        """Adds decided ranges, and resolves `done` with the last row."""
        self.ranges += ranges
        for part in ranges:
            self.rows_left -= part.count
        if self.rows_left <= 0:
            self.finish()

    def finish(self) -> None:
        """Resolves `done`, whatever rows are decided by now; idempotent."""
        if not self.done.done():
            self.done.set_result(None)


@dataclass(eq=False)
class Chunk:
    """Neighbouring rows of one call that are predicted by one execution.

    Attributes:
        whole: the call that the rows belong to.
        first: the number of the first row in the call, 0-based.
        count: the number of rows in the chunk.
        alone: whether the chunk must not be coalesced with others, because an execution with it has failed.
        lost: the number of workers that were lost with these rows before.
    """

    whole: CallInChunks
    first: int
    count: int
    alone: bool = False
    lost: int = 0

    def call(self) -> Call:
        """Returns a call of the chunk's rows alone; the original call if those are all of its rows."""
        call = self.whole.call
        if self.count == call.rows and self.lost == call.lost:
            return call
        return replace(call, batch=call.batch.slice(self.first, self.count), lost=self.lost)


def halves(chunk: Chunk) -> list[Chunk]:
    """Returns the two halves of a chunk that failed, or none for a single row.

    Halving again and again finds the bad row, so that one bad row costs one default score.
    """
    if chunk.count == 1:
        return []
    half = chunk.count // 2
    return [
        replace(chunk, count=half, alone=True),
        replace(chunk, first=chunk.first + half, count=chunk.count - half, alone=True),
    ]


def fail(chunks: Sequence[Chunk], error: BridgeError) -> None:
    """Marks all rows of these chunks as failed with one error."""
    for chunk in chunks:
        chunk.whole.add(Range(chunk.first, chunk.count, error=error))


def expire(chunk: Chunk) -> bool:
    """Fails a chunk whose call's deadline has passed; returns whether it did."""
    call = chunk.whole.call
    if call.deadline is None or not call.deadline.expired():
        return False
    chunk.whole.add(Range(chunk.first, chunk.count, error=_late(call)))
    return True


def coalesce(chunks: Sequence[Chunk]) -> Call:
    """Joins chunks of several calls into one coalesced batch, with the latest of their deadlines.

    It has no deadline if one of the calls has none.
    """
    calls = [chunk.call() for chunk in chunks]
    deadlines = [call.deadline for call in calls if call.deadline is not None]
    latest = max(deadlines, key=lambda one: one.instant) if len(deadlines) == len(calls) else None
    batch = join([call.batch for call in calls])
    trace = Trace(noted=Attempts.together(call.trace.noted for call in calls))
    return replace(calls[0], batch=batch, deadline=latest, coalesced=True, trace=trace)


def share(chunks: Sequence[Chunk], outcome: Outcome) -> None:
    """Gives each call its own rows of an execution's outcome."""
    if len(chunks) == 1:
        chunk = chunks[0]
        moved = (Range(chunk.first + part.first, part.count, part.scores, part.error) for part in outcome.ranges)
        chunk.whole.add(*moved)
        return
    (predicted,) = outcome.ranges  # a backend predicts all rows or none
    position = 0
    for chunk in chunks:
        scores: tuple[Column, ...] = tuple(column.slice(position, chunk.count) for column in predicted.scores)
        chunk.whole.add(Range(chunk.first, chunk.count, scores))
        position += chunk.count


def outcome_of(whole: CallInChunks) -> Outcome:
    """Returns a call's outcome: its finished ranges in order, and the rows between them failed as out of time."""
    if len(whole.ranges) == 1 and whole.rows_left <= 0:
        return Outcome((whole.ranges[0],))
    ranges: list[Range] = []
    position = 0
    for part in sorted(whole.ranges, key=lambda one: one.first):
        if part.first > position:
            ranges.append(Range(position, part.first - position, error=_late(whole.call)))
        ranges.append(part)
        position = part.first + part.count
    if position < whole.call.rows:
        ranges.append(Range(position, whole.call.rows - position, error=_late(whole.call)))
    return Outcome(tuple(ranges))


def _late(call: Call) -> DeadlineExceeded:
    return DeadlineExceeded(f"{call.model}: the rows were not scored after {call.elapsed_s():.3f} s, at the deadline")
