"""Chunks of calls: what batching cuts calls into, coalesces, halves and puts together again."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bridge.calls import Call, Outcome, Range, Scorer, Trace
from bridge.columns import Column, Matrix, join
from bridge.errors import BridgeError, DeadlineExceeded

__all__ = ["CallInChunks", "Chunk", "coalesce", "expire", "fail", "halves", "outcome_of", "share"]


class CallInChunks:
    """A call whose rows are predicted in chunks, and what has become of them so far.

    Attributes:
        call: what is asked.
        inner: the scorer below.
        done: is resolved when every row is decided, or the time is over.
        ranges: decided so far, in any order.
        rows_left: how many rows are not decided.
        rest: its chunks that do not wait for a worker yet.
        gone: nobody waits for it any more.
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
        """Calls of one shape can be coalesced: the same columns in the same order, of the same types."""
        batch = self.call.batch
        if isinstance(batch, Matrix):
            return batch.values.shape[1], batch.values.dtype
        return tuple((column.name, column.type, column.levels) for column in batch.columns)

    def add(self, *ranges: Range) -> None:
        """Some of its rows are decided."""
        self.ranges += ranges
        for part in ranges:
            self.rows_left -= part.count
        if self.rows_left <= 0:
            self.finish()

    def finish(self) -> None:
        """What is decided by now is all there will be."""
        if not self.done.done():
            self.done.set_result(None)


@dataclass(eq=False)
class Chunk:
    """Neighbouring rows of one call, predicted at once.

    Attributes:
        whole: the call that they are of.
        first: the first of them, 0-based, among the call's.
        count: how many they are.
        alone: they are not to be coalesced with others, because they failed in company.
        lost: how many workers were lost with them before.
    """

    whole: CallInChunks
    first: int
    count: int
    alone: bool = False
    lost: int = 0

    def call(self) -> Call:
        """Its rows as a call."""
        call = self.whole.call
        if self.count == call.rows and self.lost == call.lost:
            return call
        return replace(call, batch=call.batch.slice(self.first, self.count), lost=self.lost)


def halves(chunk: Chunk) -> list[Chunk]:
    """The two halves of a chunk that raised, so that in the end one bad row costs one default; none of a single row."""
    if chunk.count == 1:
        return []
    half = chunk.count // 2
    return [
        replace(chunk, count=half, alone=True),
        replace(chunk, first=chunk.first + half, count=chunk.count - half, alone=True),
    ]


def fail(chunks: Sequence[Chunk], error: BridgeError) -> None:
    """None of the rows of these chunks was scored."""
    for chunk in chunks:
        chunk.whole.add(Range(chunk.first, chunk.count, error=error))


def expire(chunk: Chunk) -> bool:
    """Drops a chunk whose caller has no time left for it; whether it was dropped."""
    call = chunk.whole.call
    if call.deadline is None or not call.deadline.expired():
        return False
    chunk.whole.add(Range(chunk.first, chunk.count, error=_late(call)))
    return True


def coalesce(chunks: Sequence[Chunk]) -> Call:
    """The rows of several callers as one coalesced batch, with the time of the one that has most."""
    calls = [chunk.call() for chunk in chunks]
    deadlines = [call.deadline for call in calls if call.deadline is not None]
    latest = max(deadlines, key=lambda one: one.instant) if len(deadlines) == len(calls) else None
    batch = join([call.batch for call in calls])
    return replace(calls[0], batch=batch, deadline=latest, coalesced=True, trace=Trace())


def share(chunks: Sequence[Chunk], outcome: Outcome) -> None:
    """Gives each call its rows of what was predicted at once."""
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
    """The finished ranges in order; what is not finished has run out of time."""
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
    return DeadlineExceeded(f"{call.model}: not finished after {call.elapsed_s():.3f} s, when its time was over")
