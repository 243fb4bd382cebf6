"""The layer for unfit rows: a value that the model can't take, such as an unknown level, fails its own row only."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from bridge.beside import beside, is_much
from bridge.calls import Call, Outcome, Range, Scorer
from bridge.columns import Array, Unfit, take
from bridge.errors import BridgeError

__all__ = ["UnfitRows"]


class UnfitRows:
    """Takes unfit rows out of a call before the model is asked, and gives them back as failed ranges.

    Args:
        row_wise: whether the model is row-wise. If not, leaving out some rows could change the scores of the others, so
            one unfit row fails all rows of the call.
    """

    def __init__(self, *, row_wise: bool) -> None:
        self._row_wise = row_wise

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the rows that the model can take; the unfit ones come back as failed ranges with their errors.

        Raises:
            BridgeError: the layers below failed a call without unfit rows. With unfit rows the ranges carry the error.
        """
        unfit = call.batch.unfit
        if not unfit:
            return await inner(call)
        # Without a default the unfit rows fail the whole call, so the model need not be asked for the others.
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
    """The part of a call that the model is asked, without its unfit rows.

    Attributes:
        call: the call with the fit rows alone.
        rows: the 0-based row numbers of these rows in the original call, ascending.
    """

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


def _error(call: Call, row: int, unfit: Unfit, rows: int = 1) -> BridgeError:
    return unfit.of(row, f"{call.model}: ", rows=rows)


def _spread(outcome: Outcome, kept: Array) -> list[Range]:
    """Returns the ranges of the fit rows, moved and split to the places that the rows have in the original call."""
    ranges: list[Range] = []
    for part in outcome.ranges:
        places = kept[part.first : part.first + part.count]
        edges = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), part.count]
        for start, end in pairwise(edges):
            scores = tuple(column.slice(start, end - start) for column in part.scores)
            ranges.append(Range(int(places[start]), end - start, scores, part.error))
    return ranges


def _failed(call: Call, unfit: Mapping[int, Unfit]) -> list[Range]:
    """Returns failed ranges for the unfit rows: one for neighbours with the same fault, whose error names the first."""
    # In a run of neighbouring rows, a row's number less its place among all unfit rows is constant.
    runs = groupby(enumerate(sorted(unfit)), key=lambda placed: (placed[1] - placed[0], id(unfit[placed[1]])))
    ranges: list[Range] = []
    for _, run in runs:
        rows = [row for _, row in run]
        ranges.append(Range(rows[0], len(rows), error=_error(call, rows[0], unfit[rows[0]], len(rows))))
    return ranges
