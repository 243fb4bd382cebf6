"""The fallback layer: gives rows that can't be scored their default score, marked as one, or leaves them failed."""

import operator
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from bridge.beside import beside, is_much
from bridge.calls import Call, DefaultScore, Outcome, Output, Range, Scorer
from bridge.columns import Column, says_nothing
from bridge.defaults import default_scores
from bridge.errors import BridgeError, DefaultReason, InvalidRequest, MissingScore

__all__ = ["Fallback"]


class Fallback:
    """Fills failed ranges with default scores where that is allowed; never a caller's error, never a cancellation.

    An error that a scorer below raises counts for every row of the call. A call without defaults is not filled. A range
    that stays failed fails the whole call, unless the call is partial and another row has scores.

    Args:
        reasons: the events that the model's author answers with a default score.
        missing_passes: whether a score that the model itself gave as missing is returned as missing.
        additional: the names of additional outputs: they explain the scores, and have no default.
    """

    def __init__(
        self, reasons: Collection[DefaultReason], *, missing_passes: bool, additional: Collection[str] = ()
    ) -> None:
        self._reasons = frozenset(reasons)
        self._additional = frozenset(additional)
        self._fills_missing = not missing_passes and DefaultReason.MISSING_SCORE in self._reasons

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the call and fills its failed ranges; those that may not have a default stay failed."""
        try:
            outcome = await inner(call)
        except BridgeError as error:
            outcome = Outcome.failed(call.rows, error)
        if is_much(call.rows, len(outcome.ranges)):
            return await beside(partial(self._decided, call, outcome), call.caller)
        return self._decided(call, outcome)

    def _decided(self, call: Call, outcome: Outcome) -> Outcome:
        if call.defaults:
            outcome = self._filled(call, outcome)
        return _partial(outcome) if call.partial else outcome

    def _filled(self, call: Call, outcome: Outcome) -> Outcome:
        try:
            defaults = _for_outputs(call.defaults, outcome, self._additional)
        except InvalidRequest:
            # The outputs were not known when the call came, so the default could not be checked then: it does not fit
            # them, and the call has no usable default.
            return outcome
        ranges: list[Range] = []
        for part in outcome.ranges:
            if part.error is None and self._fills_missing:
                ranges += _split_missing(call, part, defaults)
            elif part.failed and part.error is not None and part.error.default_reason in self._reasons:
                ranges.append(_default_range(part.first, part.count, part.error, defaults))
            else:
                ranges.append(part)
        as_it_was = len(ranges) == len(outcome.ranges) and all(map(operator.is_, ranges, outcome.ranges))
        return outcome if as_it_was else replace(outcome, ranges=tuple(ranges))


def _partial(outcome: Outcome) -> Outcome:
    """Returns the outcome marked as partial, if some rows have scores and single rows can fail by each of its errors.

    Else the outcome is returned unchanged, and its first failure fails the call.
    """
    errors = [part.error for part in outcome.ranges if part.failed]
    alone = 0 < len(errors) < len(outcome.ranges) and all(error and error.failed_reason for error in errors)
    return replace(outcome, partial=True) if alone else outcome


def _default_range(first: int, count: int, error: BridgeError, defaults: Sequence[DefaultScore]) -> Range:
    return Range(first, count, tuple(default.column(count) for default in defaults), error)


def _for_outputs(
    defaults: Sequence[DefaultScore], outcome: Outcome, additional: Collection[str]
) -> Sequence[DefaultScore]:
    """Returns the defaults under the names and types of the model's scores; unchanged where no row has scores."""
    every = [part.scores for part in outcome.ranges if part.scores]
    if not every:
        return defaults
    scored = next((columns for columns in every if not any(map(says_nothing, columns))), every[0])
    if len(defaults) == len(scored) and all(map(_fits, defaults, scored)):
        return defaults
    outputs = [Output(column.name, column.type, column.name in additional) for column in scored]
    values = {one.output.name: one.value for one in defaults if one.value is not None}
    return default_scores(next(iter(values.values())) if len(values) == 1 else values, outputs)


def _fits(default: DefaultScore, column: Column) -> bool:
    return default.output.type is column.type and default.output.name == column.name


def _split_missing(call: Call, part: Range, defaults: Sequence[DefaultScore]) -> list[Range]:
    # Additional outputs have no default, and may be missing where there is a score.
    own = [column for column, default in zip(part.scores, defaults, strict=True) if default.value is not None]
    if not any(column.any_missing() for column in own):
        return [part]
    missing = np.logical_or.reduce([column.missing() for column in own])
    error = MissingScore(f"{call.model}: the model gave a missing score (NA or NaN)")
    edges = [0, *(np.flatnonzero(np.diff(missing)) + 1).tolist(), part.count]
    return [
        _default_range(part.first + start, end - start, error, defaults)
        if missing[start]
        else Range(part.first + start, end - start, _sliced(part.scores, start, end - start))
        for start, end in pairwise(edges)
    ]


def _sliced(columns: Sequence[Column], first: int, count: int) -> tuple[Column, ...]:
    return tuple(column.slice(first, count) for column in columns)
