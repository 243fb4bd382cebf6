"""A bundle on trial: rows are scored in several numbers before anybody trusts it, and what R warns of is kept."""

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

# What a model may say to rows that nobody promised it would take.
_REFUSALS = (InvalidRequest, PredictionFailed, MalformedPrediction)

_SIZES = (1, 2, 3)  # a matrix of one row may drop to a vector, and two rows of two classes read two ways
_MOST_OUTPUTS = 100  # as many rows are tried as there are outputs, up to here
_DAYS = (1, 40, 400)  # another day, another month, another year


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows that the model was seen to score, bound, and one column an output."""

    rows: Batch
    scores: tuple[Column, ...]


class Trial:
    """Asks a loaded bundle for rows.

    Attributes:
        warnings: what was warned of so far, each once.
        apart: the output of which rows alone had other scores than together, by more than rounding; empty if none had.
        longest_s: what the slowest batch took, seconds; the first one when it was asked for again.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self._ref = ModelRef("the model", 0, bundle.digest)
        self._backend = backend
        self._limit_s = bundle.settings.timeout_s
        self.warnings: tuple[Warned, ...] = ()
        self.apart = ""
        self.longest_s = 0.0

    async def score(self, rows: Batch) -> tuple[Column, ...]:
        """The scores of bound rows, which need not be rows that the model can take; nothing is kept.

        Raises:
            BackendError: as the backend does.
        """
        return _columns(await self._backend.score(self._call(rows)))

    async def witnessed(self, rows: Batch) -> tuple[Column, ...]:
        """The scores of bound rows that the model should take; what was warned of, and the time it took, are kept.

        Raises:
            BackendError: as the backend does.
        """
        began = time.monotonic()
        tried = await self._backend.trial(self._call(rows))
        took_s = time.monotonic() - began
        self.warnings += tuple(one for one in tried.warnings if one not in self.warnings)
        if took_s > self._limit_s and not self.longest_s:
            # The first call loads what later ones have.
            began = time.monotonic()
            await self.score(rows)
            took_s = time.monotonic() - began
        self.longest_s = max(self.longest_s, took_s)
        return _columns(tried.outcome)

    async def made_up(self) -> tuple[Scored | None, str]:
        """Rows made up from what is known of the features: the first that the model takes.

        Returns:
            The rows with their scores, None if there are none; and why it did not take those before.

        Raises:
            BackendError: its worker was lost, or it gave other outputs than it must.
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
        # Three rows at once, or one, for a function that takes no others; ones where zeros are no good.
        return [rows, rows.slice(0, 1), rows.slice(1, 1)]

    async def sizes(self, scored: Scored) -> str:
        """Tries as many rows as calls may have: one, two, three, and as many as there are outputs.

        Returns:
            Why some number of rows can't be scored, in words; empty if all can.
        """
        rows, scores = scored.rows, scored.scores
        names = [(column.name, column.type) for column in scores if not says_nothing(column)]
        for place, tried in enumerate(_in_sizes(rows, len(scores))):
            noun = "1 row" if tried.rows == 1 else f"{tried.rows} rows"
            try:
                found = await self.witnessed(tried)
            except _REFUSALS as error:
                return f"{noun} can't be scored, {rows.rows} can: {error.in_full()}"
            other = [(column.name, column.type) for column in found if not says_nothing(column)]
            if set(names) - set(other) and set(other) - set(names):
                return f"{noun} gave other outputs than {rows.rows}"
            if tried.rows == 1 and not self.apart:
                self._compare_alone(found, scores, place)
        return ""

    async def far_apart(self, scored: Scored) -> None:
        """Also tries rows whose numbers are far apart, alone and together; those that were made up lie together."""
        if not isinstance(scored.rows, Table) or self.apart:
            return
        rows = far_apart(scored.rows)
        try:
            together = await self.score(rows)
            for row in range(rows.rows):
                self._compare_alone(await self.score(rows.slice(row, 1)), together, row)
        except _REFUSALS:
            return  # nobody promised that the model takes them

    def _compare_alone(self, alone: Sequence[Column], scores: Sequence[Column], row: int) -> None:
        together = [column.slice(row, 1) for column in scores]
        if [column.type for column in alone] != [column.type for column in together]:
            return  # one of them says nothing
        difference = find_difference(together, alone)
        if difference is not None and not difference.by_rounding:
            self.apart = difference.output

    async def another_day(self, scored: Scored) -> bool:
        """Whether the rows score otherwise where the model's clock is set forward; warnings of then are not kept."""
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
    """Each of the first rows alone, two, three, and as many as there are outputs; not what was scored already."""
    if rows.rows > 1:
        yield from (rows.slice(row, 1) for row in range(min(rows.rows, _SIZES[-1])))
    for count in sorted({*_SIZES[1:], min(outputs, _MOST_OUTPUTS)} - {1, rows.rows}):
        yield repeated(rows, count)


def _better(feature: Feature, proposed: dict[str, Feature]) -> Feature:
    """What the model's own terms say of a feature, where nobody else does."""
    if feature.type is not None or feature.name not in proposed:
        return feature
    return replace(proposed[feature.name], required=feature.required)
