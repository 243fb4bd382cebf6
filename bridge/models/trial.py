"""The trial of a loaded bundle: scores batches of several sizes, and keeps the warnings and the times."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bridge.backends import Backend, Warned
from bridge.bundles.bundle import Bundle
from bridge.calls import Call, ModelRef, Outcome, now
from bridge.columns import Batch, Column, Table, concatenate, says_nothing
from bridge.errors import InvalidRequest, MalformedPrediction, OtherOutputs, PredictionFailed
from bridge.features.feature import Feature
from bridge.models.row_wise import find_difference
from bridge.models.trial_rows import far_apart, made_up, repeated

__all__ = ["Scored", "Trial"]

# The errors by which a model may refuse made-up rows, which it need not take.
_REFUSALS = (InvalidRequest, PredictionFailed, MalformedPrediction)

_SIZES = (1, 2, 3)  # R may drop a matrix of one row to a vector, and can mistake two rows for two classes
_MOST_OUTPUTS = 100  # a batch with as many rows as there are outputs is tried, up to this number
_DAYS = (1, 40, 400)  # days that the clock is set forward: to another day, another month, another year


@dataclass(frozen=True, slots=True)
class Scored:
    """Bound rows that the model was seen to score, and their scores, one column for each output."""

    rows: Batch
    scores: tuple[Column, ...]


class Trial:
    """Scores rows with a loaded bundle and keeps what was seen.

    Attributes:
        warnings: the model's warnings so far, each once.
        left: the first thing that a call has left behind in its worker, in words; empty if none has.
        apart: the name of an output whose scores differ, by more than rounding, between rows alone and rows together;
            empty if there is none.
        longest_s: the time of the slowest batch, seconds; a first batch over the limit counts with its second time.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self._ref = ModelRef("the model", 0, bundle.digest)
        self._backend = backend
        self._limit_s = bundle.settings.timeout_s
        self.warnings: tuple[Warned, ...] = ()
        self.left = ""
        self.apart = ""
        self.longest_s = 0.0

    async def score(self, rows: Batch) -> tuple[Column, ...]:
        """Scores bound rows that the model need not take; keeps no warnings and no times.

        Raises:
            BackendError: the model failed, or its worker was lost.
        """
        return _columns(await self._backend.score(self._call(rows)))

    async def witnessed(self, rows: Batch) -> tuple[Column, ...]:
        """Scores bound rows that the model has to take; keeps the warnings and the time.

        Raises:
            BackendError: the model failed, or its worker was lost.
        """
        began = time.monotonic()
        tried = await self._backend.trial(self._call(rows))
        took_s = time.monotonic() - began
        self.warnings += tuple(one for one in tried.warnings if one not in self.warnings)
        self.left = self.left or tried.left
        if took_s > self._limit_s and not self.longest_s:
            # A first call may be slow because it loads things that later calls find loaded.
            began = time.monotonic()
            await self.score(rows)
            took_s = time.monotonic() - began
        self.longest_s = max(self.longest_s, took_s)
        return _columns(tried.outcome)

    async def made_up(self) -> tuple[Scored | None, str]:
        """Scores made-up rows: tries several kinds until the model takes one.

        Returns:
            The rows with their scores, None if it took none; and why it refused the first kind, empty if it did not.

        Raises:
            BackendError: the worker was lost, or the model gave other outputs than its version has.
        """
        remark = ""
        for rows in self._candidates():
            try:
                bound = self._backend.bind(rows)
                return Scored(bound, await self.witnessed(bound)), remark
            except OtherOutputs:
                raise
            except _REFUSALS as error:
                remark = remark or error.in_full()
        return None, remark

    def _candidates(self) -> list[Batch]:
        description = self._backend.description
        if description.trial_row is not None:
            return [description.trial_row]
        proposed = {feature.name: feature for feature in description.proposed}
        known = [_better(feature, proposed) for feature in description.features]
        rows = made_up(known, description.texts)
        # Three rows; one row, for a function that takes only one; and one of ones, for a model that refuses zeros.
        return [rows, rows.slice(0, 1), rows.slice(1, 1)]

    async def sizes(self, scored: Scored) -> str:
        """Tries batches of one, two, three, and as many rows as there are outputs.

        Returns:
            Why a batch of one of these sizes can't be scored, in words; empty if all can.
        """
        rows, scores = scored.rows, scored.scores
        names = [(column.name, column.type) for column in scores if not says_nothing(column)]
        for place, tried in enumerate(_in_sizes(rows, len(scores))):
            noun = "1 row" if tried.rows == 1 else f"{tried.rows} rows"
            try:
                found = await self.witnessed(tried)
            except _REFUSALS as error:
                return f"{noun} can't be scored, though {rows.rows} can: {error.in_full()}"
            other = [(column.name, column.type) for column in found if not says_nothing(column)]
            if set(names) - set(other) and set(other) - set(names):
                return f"{noun} gave other outputs than a batch of {rows.rows}"
            if tried.rows == 1 and not self.apart:
                self._compare_alone(found, scores, place)
        return ""

    async def far_apart(self, scored: Scored) -> None:
        """Scores rows with numbers far apart, alone and together, and sets `apart` if their scores differ.

        Made-up rows have numbers so close together that they may not show a difference.
        """
        if not isinstance(scored.rows, Table) or self.apart:
            return
        rows = far_apart(scored.rows)
        try:
            together = await self.score(rows)
            for row in range(rows.rows):
                self._compare_alone(await self.score(rows.slice(row, 1)), together, row)
        except _REFUSALS:
            return  # the model need not take made-up rows

    def _compare_alone(self, alone: Sequence[Column], scores: Sequence[Column], row: int) -> None:
        together = [column.slice(row, 1) for column in scores]
        if [column.type for column in alone] != [column.type for column in together]:
            return  # a column that is all missing does not show its type
        difference = find_difference(together, alone)
        if difference is not None and not difference.by_rounding:
            self.apart = difference.output

    async def another_day(self, scored: Scored) -> bool:
        """Whether the rows get other scores, or none, when the model's clock is set forward; keeps no warnings."""
        for days in _DAYS:
            try:
                tried = await self._backend.trial(self._call(scored.rows), days)
            except _REFUSALS:
                return True
            if find_difference(_columns(tried.outcome), scored.scores) is not None:
                return True
        return False

    def _call(self, rows: Batch) -> Call:
        return Call("acceptance", self._ref, rows, now())


def _columns(outcome: Outcome) -> tuple[Column, ...]:
    return tuple(concatenate(columns) for columns in zip(*(part.scores for part in outcome.ranges), strict=True))


def _in_sizes(rows: Batch, outputs: int) -> Iterator[Batch]:
    """Yields batches to try: each of the first rows alone, then two, three, and as many rows as there are outputs.

    Leaves out the size that was scored already.
    """
    if rows.rows > 1:
        yield from (rows.slice(row, 1) for row in range(min(rows.rows, _SIZES[-1])))
    for count in sorted({*_SIZES[1:], min(outputs, _MOST_OUTPUTS)} - {1, rows.rows}):
        yield repeated(rows, count)


def _better(feature: Feature, proposed: dict[str, Feature]) -> Feature:
    """Returns the feature as the model's own terms propose it, if no type is declared for it."""
    if feature.type is not None or feature.name not in proposed:
        return feature
    return replace(proposed[feature.name], required=feature.required)
