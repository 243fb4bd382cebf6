"""Unfit rows: a value that the model can't take, such as an unknown category, costs its row its score, and no other."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from bridge.beside import beside, is_much
from bridge.calls import Call, Outcome, Range, Scorer
from bridge.columns import Array, Unfit, take
from bridge.errors import BridgeError, InvalidRequest

__all__ = ["UnfitRows"]


class UnfitRows:
    """Takes such rows out of a call before the model is asked, and gives them back as failed ranges.

    Args:
        row_wise: the model's rows don't depend on each other. Where they do, a call without some of its rows would be
            another call, so all of its rows fail.
    """

    def __init__(self, *, row_wise: bool) -> None:
        self._row_wise = row_wise

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the rows that the model can take; those that it can't carry why, range by range.

        Raises:
            BridgeError: whatever happened to the others, where none is out; else they carry it.
        """
        unfit = call.batch.unfit
        if not unfit:
            return await inner(call)
        # Without a default the call fails for them, whatever the model says of the others.
        if not self._row_wise or not (call.defaults or call.partial):
            first = min(unfit)
            return Outcome.failed(call.rows, _error(call, first, unfit[first]))
        much = is_much(call.rows, len(unfit))
        kept = await beside(partial(_kept, call, unfit), call.caller) if much else _kept(call, unfit)
        if kept is None:
            outcome = Outcome(())
        else:
            try:
                outcome = await inner(kept.call)
            except BridgeError as error:
                outcome = Outcome.failed(len(kept.rows), error)
        join = partial(_joined, call, unfit, kept, outcome)
        return await beside(join, call.caller) if much else join()


class _Kept(NamedTuple):
    """What of a call the model is asked, and which of its rows those are."""

    call: Call
    rows: Array


def _kept(call: Call, unfit: Mapping[int, Unfit]) -> _Kept | None:
    if len(unfit) == call.rows:
        return None
    rows = np.delete(np.arange(call.rows), list(unfit))
    return _Kept(replace(call, batch=take(call.batch, rows)), rows)


def _joined(call: Call, unfit: Mapping[int, Unfit], kept: _Kept | None, outcome: Outcome) -> Outcome:
    spread = [] if kept is None else _spread(outcome, kept.rows)
    return Outcome(tuple(sorted((*spread, *_failed(call, unfit)), key=lambda one: one.first)))


def _error(call: Call, row: int, unfit: Unfit) -> InvalidRequest:
    return unfit.of(row, f"{call.model}: ")


def _spread(outcome: Outcome, kept: Array) -> list[Range]:
    """The ranges of the rows that were asked for, in the places that these have in the call."""
    ranges: list[Range] = []
    for part in outcome.ranges:
        places = kept[part.first : part.first + part.count]
        edges = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), part.count]
        for start, end in pairwise(edges):
            scores = tuple(column.slice(start, end - start) for column in part.scores)
            ranges.append(Range(int(places[start]), end - start, scores, part.error))
    return ranges


def _failed(call: Call, unfit: Mapping[int, Unfit]) -> list[Range]:
    """Neighbouring rows that share what is wrong share a range, and the number of its first row."""
    # Within such a run, a row's number less its place among all of them stays the same.
    runs = groupby(enumerate(sorted(unfit)), key=lambda placed: (placed[1] - placed[0], id(unfit[placed[1]])))
    ranges: list[Range] = []
    for _, run in runs:
        rows = [row for _, row in run]
        ranges.append(Range(rows[0], len(rows), error=_error(call, rows[0], unfit[rows[0]])))
    return ranges
