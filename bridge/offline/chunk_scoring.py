"""Scores a chunk of a run: waits where a scorer can't score now, and halves calls until the bad rows stand alone."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from bridge.calls import now
from bridge.columns import Array, Table, take
from bridge.errors import DefaultReason
from bridge.offline.call_events import NO_ROOM, TOO_LARGE, Course, course_of, retries_of
from bridge.offline.call_slots import CallSlots
from bridge.offline.gathered import Gathered
from bridge.offline.scored_chunk import ScoredChunk
from bridge.offline.scorer import Answer, CallFailed, Ending, Question, RunScorer
from bridge.row_files.input_chunk import InputChunk
from bridge.services.asked import is_request_id

__all__ = ["ChunkScoring"]

_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.05, 5.0
_RECOVERING = 3  # pauses that are skipped before a single row is asked for a third time
_DOUBLINGS = 7  # of the pause; by then it is the longest one
_PAUSES_FOR_ROOM = 3  # then a call that finds no room is divided: it may never find as much
_SLOW = frozenset({"DEADLINE", NO_ROOM, TOO_LARGE})  # events that fewer rows may avoid
_MOST_NAMED = 3  # calls that each name a bad row, one after the other: then they may all be bad, and calls are halved
_LONGEST_ID = "/999999999/999999999"


@dataclass(eq=False)
class _Halves:
    """A call that was halved, and how many of its halves have scored without a failure."""

    rows: int
    slow: bool
    good: int = 0


@dataclass(frozen=True)
class _Part:
    """Neighbouring rows of a chunk that are asked for in one call.

    Attributes:
        first: the position of the first row in the chunk's batch.
        count: the number of rows.
        halves: the call that this is a half of; None if it is none.
        retries: how often this single row was asked for again.
        waits: how often these rows were put off.
        since: when they were first put off, in seconds on the loop's clock.
        named: in how many calls, one after the other, the scorer named rows that it can't take beside these.
    """

    first: int
    count: int
    halves: _Halves | None = None
    retries: int = 0
    waits: int = 0
    since: float = 0.0
    named: int = 0

    @property
    def rows(self) -> Array:
        return np.arange(self.first, self.first + self.count)


class ChunkScoring:
    """Scores the chunks of one run; several may be scored at once.

    The calls of a chunk go one after the other. Were both halves of a call that a row has stopped asked for at once, a
    gateway could predict them together, and the good half would end like the other.

    Args:
        scorer: who scores.
        run_id: the id of the run, with which the ids of its calls begin.
        row_wise: whether rows are scored independently of each other, so that a chunk may be divided.
        default: whether rows that can't be scored get default scores: False for none, True for the model's own, a
            number for this one.
        workers: the most calls that are under way at once.
        patience_s: how long to wait while no call succeeds, seconds.

    Raises:
        ValueError: no id of a call can begin with `run_id`.
    """

    def __init__(
        self,
        scorer: RunScorer,
        *,
        run_id: str,
        row_wise: bool,
        default: float | bool,
        workers: int,
        patience_s: float = 600.0,
    ) -> None:
        if not run_id or not is_request_id(run_id + _LONGEST_ID):
            raise ValueError("run_id must be 1 to 108 printable ASCII characters")
        self._scorer = scorer
        self._run_id = run_id
        self._row_wise = row_wise
        self._default = default
        self._slots = CallSlots(workers)
        self._patience_s = patience_s
        self._succeeded = 0.0
        self._most_rows: int | None = None

    async def score(self, chunk: InputChunk) -> ScoredChunk:
        """Returns the scores and rejects of a chunk.

        Raises:
            CallFailed: the run can't go on: by the model, the version or the caller's rights, because no call has
                succeeded for `patience_s`, or because rows that depend on each other could not be scored.
        """
        gathered = Gathered(chunk, self._scorer.detail)
        if not chunk.batch.rows:
            return gathered.result()
        if not self._row_wise:
            gathered.keep(np.arange(chunk.batch.rows), await self._whole(chunk))
            return gathered.result()
        parts = deque(self._cut(chunk.batch.rows))
        while parts:
            part = parts.popleft()
            answer, failure = await self._ask(self._question(chunk, part.rows), alone=part.retries > 0)
            scored = gathered.keep(part.rows, answer)
            self._note(part, answer, scored)
            if failure is not None and failure.row is not None and 0 <= failure.row < part.count:
                parts.extendleft(reversed(_without_named(gathered, part, failure, failure.row)))
                continue
            for ending in reversed(answer.failed):
                parts.extendleft(reversed(await self._left(gathered, part, ending, whole=failure is not None)))
        if self._default is not False:
            await self._fill(chunk, gathered)
        return gathered.result()

    async def _left(self, gathered: Gathered, part: _Part, ending: Ending, *, whole: bool) -> list[_Part]:
        """Returns what is still to be asked for of rows that a call left without scores; notes those given up."""
        course = course_of(ending.reason, ending.count, whole=whole)
        first, count = part.first + ending.first, ending.count
        if course is Course.END:
            raise CallFailed(ending.reason, ending.detail)
        if course is Course.WAIT:
            if ending.reason != NO_ROOM or part.waits < _PAUSES_FOR_ROOM or count == 1:
                since = part.since or now()
                await self._pause(part.waits, since, ending)
                return [replace(part, first=first, count=count, waits=part.waits + 1, since=since)]
            course = Course.DIVIDE
        if course is Course.DIVIDE:
            return _halves(replace(part, first=first, count=count), slow=ending.reason in _SLOW)
        if course is Course.RETRY and part.retries < retries_of(ending.reason):
            since = part.since or now()
            if part.retries:
                await self._pause(_RECOVERING + part.retries, since, ending)
            return [_Part(first, 1, part.halves, part.retries + 1, since=since)]
        gathered.reject(np.array([*range(first, first + count)]), ending)
        return []

    async def _whole(self, chunk: InputChunk) -> Answer:
        """Scores a chunk whose rows depend on each other, in one call."""
        question = replace(self._question(chunk, np.arange(chunk.batch.rows)), partial=False)
        ending = await self._until_decided(question)
        if isinstance(ending, Ending) and self._default is not False:
            ending = await self._until_decided(replace(question, default=self._default))
        if isinstance(ending, Answer):
            return ending
        about = self._scorer.detail.version
        raise CallFailed(
            ending.reason,
            f"the rows of {about.model}/{about.version} depend on each other ({self._scorer.detail.row_wise_reason}),"
            f" so none of the {question.batch.rows} rows has a score: {ending.detail}",
        )

    async def _fill(self, chunk: InputChunk, gathered: Gathered) -> None:
        """Asks once more for the rows that were given up, with default scores, which some events don't have."""
        for reason, rows in list(gathered.rejected()):
            if reason == DefaultReason.INVALID_VALUE:
                continue
            answer = await self._until_decided(replace(self._question(chunk, rows), default=self._default))
            if isinstance(answer, Answer):
                gathered.keep(rows, answer)

    async def _until_decided(self, question: Question) -> Answer | Ending:
        """Asks until the scorer can score; returns the answer, or why the whole call failed."""
        waits, since = 0, 0.0
        while True:
            answer, failure = await self._ask(question)
            if failure is None:
                return answer
            ending = answer.failed[0]
            course = course_of(ending.reason, ending.count, whole=True)
            if course is Course.END:
                raise CallFailed(ending.reason, ending.detail)
            if course is not Course.WAIT:
                return ending
            since = since or now()
            await self._pause(waits, since, ending)
            waits += 1

    async def _ask(self, question: Question, *, alone: bool = False) -> tuple[Answer, CallFailed | None]:
        """Makes one call; returns its answer, and how the call failed if it did as a whole."""
        async with self._slots.alone() if alone else self._slots.one():
            try:
                return await self._scorer.score(question), None
            except CallFailed as error:
                ending = Ending(0, question.batch.rows, error.event, str(error), error.column)
                return Answer((), failed=(ending,)), error

    def _question(self, chunk: InputChunk, rows: Array) -> Question:
        batch, keys = chunk.batch, chunk.keys
        first = int(rows[0])
        if len(rows) < batch.rows:
            near = int(rows[-1]) - first + 1 == len(rows)
            taken = batch.slice(first, len(rows)) if near else take(batch, rows)
            assert isinstance(taken, Table)  # noqa: S101 - for mypy: rows of a table are a table
            batch, keys = taken, tuple(keys[row] for row in rows.tolist()) if keys else ()
        return Question(f"{self._run_id}/{chunk.number}/{first}", batch, keys)

    async def _pause(self, waits: int, since: float, ending: Ending) -> None:
        """Waits a while, longer each time, before rows are asked for again.

        Raises:
            CallFailed: no call has succeeded for the time that the run waits.
        """
        left_s = max(since, self._succeeded) + self._patience_s - now()
        if left_s <= 0:
            raise CallFailed(
                ending.reason, f"no call has succeeded for {self._patience_s:g} s (--patience): {ending.detail}"
            )
        pause_s = min(_MOST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(waits, _DOUBLINGS))
        await asyncio.sleep(min(left_s, pause_s * random.uniform(0.5, 1.0)))  # noqa: S311 - spreads calls, hides nothing

    def _cut(self, rows: int) -> list[_Part]:
        most = rows if self._most_rows is None else min(rows, self._most_rows)
        return [_Part(first, min(most, rows - first)) for first in range(0, rows, most)]

    def _note(self, part: _Part, answer: Answer, scored: int) -> None:
        """Learns from a call: when calls succeed, and how many rows they should have."""
        if scored:
            self._succeeded = now()
        if answer.failed:
            return
        if (halves := part.halves) is not None:
            halves.good += 1
            if halves.good == 2 and halves.slow:  # noqa: PLR2004 - both of them, so no row of theirs was the cause
                self._most_rows = max(1, halves.rows // 2)
        elif self._most_rows is not None and part.count == self._most_rows:
            self._most_rows += max(1, self._most_rows // 8)


def _halves(part: _Part, *, slow: bool) -> list[_Part]:
    half, halves = part.count // 2, _Halves(part.count, slow)
    return [
        _Part(part.first, half, halves, named=part.named),
        _Part(part.first + half, part.count - half, halves, named=part.named),
    ]


def _without_named(gathered: Gathered, part: _Part, failure: CallFailed, row: int) -> list[_Part]:
    """Gives up the rows that a failed call has named; returns the others, which are still to be asked for."""
    first, end = part.first + row, part.first + min(part.count, row + max(1, failure.rows))
    gathered.reject(np.arange(first, end), Ending(row, end - first, failure.event, str(failure), failure.column))
    rest = [
        _Part(start, count, named=part.named + 1)
        for start, count in ((part.first, row), (end, part.first + part.count - end))
        if count
    ]
    if part.named < _MOST_NAMED:
        return rest
    return [half for one in rest for half in (_halves(one, slow=False) if one.count > 1 else [one])]
