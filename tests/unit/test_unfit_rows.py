"""Rows that the model can't take, such as unknown categories: they cost themselves, wherever they are in the call."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls import Call, DefaultScore, ModelRef, Outcome, Output, Range
from bridge.columns import Column, Matrix, Type, Unfit
from bridge.errors import DefaultReason, PredictionFailed, RefusedLevel, UnfitRow, UnknownLevel
from bridge.layers.fallback import Fallback
from bridge.layers.unfit_rows import UnfitRows

DEFAULTS = (DefaultScore(Output("score", Type.DOUBLE), 0.5),)
UNKNOWN = {name: Unfit(name, "not one of its levels", UnknownLevel) for name in ("shop", "town")}


def call_of(rows: int, unknown: dict[int, str] | None, *, partial: bool = False) -> Call:
    values = np.arange(rows, dtype=np.float64).reshape(-1, 1)
    unfit = {row: UNKNOWN[name] for row, name in (unknown or {}).items()}
    batch = Matrix(("a",), values, unfit or None)
    return Call("id", ModelRef("m", 1, ""), batch, 0.0, defaults=() if partial else DEFAULTS, partial=partial)


async def echo(call: Call) -> Outcome:
    """The rows' own numbers, in two ranges."""
    assert isinstance(call.batch, Matrix)
    assert call.batch.unfit is None
    values = call.batch.values[:, 0]
    half = max(1, len(values) // 2)
    parts = [(0, values[:half]), (half, values[half:])]
    return Outcome(
        tuple(Range(at, len(some), (Column("score", Type.DOUBLE, some),)) for at, some in parts if len(some))
    )


def seen(outcome: Outcome) -> list[float | str]:
    """A number or an event for each row."""
    rows: list[float | str] = []
    for part in outcome.ranges:
        assert part.first == len(rows)
        scores = part.scores[0].values.tolist() if part.scores else [str(part.error)] * part.count
        assert len(scores) == part.count
        rows += scores
    return rows


@given(st.lists(st.sampled_from([None, "shop", "town"]), min_size=1, max_size=30), st.booleans())
async def test_the_others_are_scored_in_their_places(columns: list[str | None], partial: bool) -> None:
    unknown = {row: name for row, name in enumerate(columns) if name is not None}
    outcome = await UnfitRows(row_wise=True)(call_of(len(columns), unknown or None, partial=partial), echo)
    for row, (name, score) in enumerate(zip(columns, seen(outcome), strict=True)):
        assert score == row if name is None else f"column '{name}', row" in str(score)
    for part in outcome.ranges:
        if isinstance(part.error, UnknownLevel):
            assert f"row {part.first}: not one of its levels" in str(part.error)


async def nobody(_: Call) -> Outcome:
    raise AssertionError("asked")


@pytest.mark.parametrize(
    ("row_wise", "change", "unknown"),
    [
        (False, lambda call: call, {1: "shop"}),
        (True, lambda call: replace(call, defaults=()), {1: "shop"}),
        (True, lambda call: call, {0: "shop", 1: "shop", 2: "shop"}),
    ],
    ids=["rows depend on each other", "no default", "all rows"],
)
async def test_nobody_is_asked_where_no_row_could_be_answered(
    row_wise: bool, change: Callable[[Call], Call], unknown: dict[int, str]
) -> None:
    outcome = await UnfitRows(row_wise=row_wise)(change(call_of(3, unknown)), nobody)
    (part,) = outcome.ranges
    assert (part.first, part.count, part.failed) == (0, 3, True)
    assert isinstance(part.error, UnknownLevel)


async def fails(_: Call) -> Outcome:
    raise PredictionFailed("m/1: it failed")


async def test_what_happens_to_the_others_is_theirs_alone() -> None:
    async def unknown_levels(call: Call) -> Outcome:
        return await UnfitRows(row_wise=True)(call, fails)

    reasons = [DefaultReason.UNKNOWN_LEVEL]
    outcome = await Fallback(reasons, missing_passes=False)(call_of(3, {1: "shop"}), unknown_levels)
    assert [(part.first, part.failed, part.defaulted) for part in outcome.ranges] == [
        (0, True, False),
        (1, False, True),
        (2, True, False),
    ]
    assert isinstance(outcome.first_failure(), PredictionFailed)


async def test_additional_outputs_are_missing_where_the_score_is_a_default() -> None:
    defaults = (*DEFAULTS, DefaultScore(Output("reason_1", Type.STRING, additional=True), None))

    async def explained(_: Call) -> Outcome:
        score = Column("score", Type.DOUBLE, np.array([0.1, np.nan, 0.3]))
        reason = Column("reason_1", Type.STRING, np.array(["", "age", "age"], object), np.array([True, False, False]))
        return Outcome((Range(0, 3, (score, reason)),))

    call = replace(call_of(3, None), defaults=defaults)
    outcome = await Fallback([DefaultReason.MISSING_SCORE], missing_passes=False)(call, explained)
    assert [(part.first, part.count, part.defaulted) for part in outcome.ranges] == [
        (0, 1, False),
        (1, 1, True),
        (2, 1, False),
    ]
    score, reason = outcome.ranges[1].scores
    assert (score.values.tolist(), reason.missing().tolist()) == ([0.5], [True])
    assert outcome.ranges[0].scores[1].missing().tolist() == [True]


async def test_every_row_says_what_is_wrong_with_it() -> None:
    level = Unfit("shop", "not one of its 3 levels", RefusedLevel)
    value = Unfit("age", "outside +-(2^31 - 1)", UnfitRow, "+-(2^31 - 1)")
    batch = Matrix(("a",), np.arange(5.0).reshape(-1, 1), {0: level, 1: value, 2: value, 4: value})
    call = Call("id", ModelRef("m", 1, ""), batch, 0.0, defaults=DEFAULTS, partial=True)
    outcome = await UnfitRows(row_wise=True)(call, echo)
    told = [(part.first, part.count, str(part.error), part.error.limit) for part in outcome.ranges if part.error]
    assert told == [
        (0, 1, "m/1: column 'shop', row 0: not one of its 3 levels", ""),
        (1, 2, "m/1: column 'age', row 1: outside +-(2^31 - 1)", "+-(2^31 - 1)"),
        (4, 1, "m/1: column 'age', row 4: outside +-(2^31 - 1)", "+-(2^31 - 1)"),
    ]
    reasons = [part.error.failed_reason for part in outcome.ranges if part.error]
    assert reasons == [DefaultReason.UNKNOWN_LEVEL, DefaultReason.INVALID_VALUE, DefaultReason.INVALID_VALUE]
    assert {part.error.default_reason for part in outcome.ranges if part.error} == {None}
