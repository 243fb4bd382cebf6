"""Pieces of calls: what batching cuts calls into, joins, halves and puts together again."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bridge.calls import Call, Outcome, Range, Scorer, Trace
from bridge.columns import Column, Matrix, join
from bridge.errors import BridgeError, DeadlineExceeded

__all__ = ["Member", "Piece", "expire", "fail", "halves", "joint", "outcome_of", "share"]


class Member:
    """A call on its way through here.

    Attributes:
        call: what is asked.
        inner: the scorer below.
        done: is resolved when every row is decided, or the time is over.
        ranges: decided so far, in any order.
        rows_left: how many rows are not decided.
        rest: its pieces that do not wait for a worker yet.
        gone: nobody waits for it any more.
    """

    def __init__(self, call: Call, inner: Scorer) -> None:
        self.call = call
        self.inner = inner
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ranges: list[Range] = []
        self.rows_left = call.rows
        self.rest: deque[Piece] = deque()
        self.gone = False

    @cached_property
    def shape(self) -> object:
        """Calls of one shape can be predicted together: the same columns in the same order, of the same types."""
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
class Piece:
    """Neighbouring rows of one call, predicted in one run."""

    member: Member
    first: int
    count: int
    alone: bool = False
    lost: int = 0

    def call(self) -> Call:
        """Its rows as a call."""
        whole = self.member.call
        if self.count == whole.rows and self.lost == whole.lost:
            return whole
        return replace(whole, batch=whole.batch.slice(self.first, self.count), lost=self.lost)


def halves(piece: Piece) -> list[Piece]:
    """The two halves of a piece that raised, so that in the end one bad row costs one default; none of a single row."""
    if piece.count == 1:
        return []
    half = piece.count // 2
    return [
        replace(piece, count=half, alone=True),
        replace(piece, first=piece.first + half, count=piece.count - half, alone=True),
    ]


def fail(pieces: Sequence[Piece], error: BridgeError) -> None:
    """None of the rows of a run was scored."""
    for piece in pieces:
        piece.member.add(Range(piece.first, piece.count, error=error))


def expire(piece: Piece) -> bool:
    """Drops a piece whose caller has no time left for it."""
    call = piece.member.call
    if call.deadline is None or not call.deadline.expired():
        return False
    piece.member.add(Range(piece.first, piece.count, error=_late(call)))
    return True


def joint(pieces: Sequence[Piece]) -> Call:
    """The rows of several callers as one call, with the time of the one that has most."""
    calls = [piece.call() for piece in pieces]
    deadlines = [call.deadline for call in calls if call.deadline is not None]
    latest = max(deadlines, key=lambda one: one.instant) if len(deadlines) == len(calls) else None
    batch = join([call.batch for call in calls])
    return replace(calls[0], batch=batch, deadline=latest, joint=True, trace=Trace())


def share(pieces: Sequence[Piece], outcome: Outcome) -> None:
    """Gives each member its rows of a run."""
    if len(pieces) == 1:
        piece = pieces[0]
        moved = (Range(piece.first + part.first, part.count, part.scores, part.error) for part in outcome.ranges)
        piece.member.add(*moved)
        return
    (whole,) = outcome.ranges  # a backend predicts all rows of a run or none
    position = 0
    for piece in pieces:
        scores: tuple[Column, ...] = tuple(column.slice(position, piece.count) for column in whole.scores)
        piece.member.add(Range(piece.first, piece.count, scores))
        position += piece.count


def outcome_of(member: Member) -> Outcome:
    """The finished ranges in order; what is not finished has run out of time."""
    if len(member.ranges) == 1 and member.rows_left <= 0:
        return Outcome((member.ranges[0],))
    ranges: list[Range] = []
    position = 0
    for part in sorted(member.ranges, key=lambda one: one.first):
        if part.first > position:
            ranges.append(Range(position, part.first - position, error=_late(member.call)))
        ranges.append(part)
        position = part.first + part.count
    if position < member.call.rows:
        ranges.append(Range(position, member.call.rows - position, error=_late(member.call)))
    return Outcome(tuple(ranges))


def _late(call: Call) -> DeadlineExceeded:
    return DeadlineExceeded(f"{call.model}: not finished after {call.elapsed_s():.3f} s, when its time was over")
