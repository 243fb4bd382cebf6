"""Fallback: rows that can't be scored get the model's default score, marked, or stay failed, alone or all."""

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
    """Fills failed ranges that may be answered with a default; never a caller's error, never a cancellation.

    What a scorer below raises counts for every row of the call. Without defaults in the call nothing is filled. What
    stays failed fails the call, unless it is partial and another row has scores.

    Args:
        reasons: the events that this model's author answers with a default.
        missing_passes: rows whose score the model itself gave as missing are returned as they are.
        additional: names of outputs that explain the scores, and have no default.
    """

    def __init__(
        self, reasons: Collection[DefaultReason], *, missing_passes: bool, additional: Collection[str] = ()
    ) -> None:
        self._reasons = frozenset(reasons)
        self._additional = frozenset(additional)
        self._fills_missing = not missing_passes and DefaultReason.MISSING_SCORE in self._reasons

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the call; the outcome has failed ranges only where no default may stand."""
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
            # The outputs were not known when the call came, and the default does not fit them: none is known.
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
    """The outcome of a partial call: as it is where no row has scores, or an event is none of single rows."""
    errors = [part.error for part in outcome.ranges if part.failed]
    alone = 0 < len(errors) < len(outcome.ranges) and all(error and error.failed_reason for error in errors)
    return replace(outcome, partial=True) if alone else outcome


def _default_range(first: int, count: int, error: BridgeError, defaults: Sequence[DefaultScore]) -> Range:
    return Range(first, count, tuple(default.column(count) for default in defaults), error)


def _for_outputs(
    defaults: Sequence[DefaultScore], outcome: Outcome, additional: Collection[str]
) -> Sequence[DefaultScore]:
    """The defaults under the names and types that the model answered with, where it answered at all."""
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
    error = MissingScore(f"{call.model}: the model gave no score")
    edges = [0, *(np.flatnonzero(np.diff(missing)) + 1).tolist(), part.count]
    return [
        _default_range(part.first + start, end - start, error, defaults)
        if missing[start]
        else Range(part.first + start, end - start, _sliced(part.scores, start, end - start))
        for start, end in pairwise(edges)
    ]


def _sliced(columns: Sequence[Column], first: int, count: int) -> tuple[Column, ...]:
    return tuple(column.slice(first, count) for column in columns)
