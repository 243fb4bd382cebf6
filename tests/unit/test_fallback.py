"""Fallback: failed rows get the default and a mark, or stay failed; nobody else's rows change."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.calls import Call, DefaultScore, ModelRef, Outcome, Output, Range, Scorer
from bridge.columns import Column, Matrix, Type
from bridge.errors import (
    BridgeError,
    CircuitOpen,
    DeadlineExceeded,
    DefaultReason,
    Draining,
    InternalError,
    InvalidRequest,
    MalformedPrediction,
    MissingScore,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    PoisonCall,
    PredictionFailed,
    RefusedLevel,
    UnfitRow,
    UnknownLevel,
    VersionRefused,
    WorkerLost,
)
from bridge.layers.fallback import Fallback

HALF = DefaultScore(Output("score", Type.DOUBLE), 0.5)


def call(rows: int, *defaults: DefaultScore) -> Call:
    return Call("id", ModelRef("m", 1, "sha256:"), Matrix((), np.zeros((rows, 1))), 0.0, None, defaults)


def column(*values: float, name: str = "score") -> Column:
    return Column(name, Type.DOUBLE, np.array(values))


def answers(*ranges: Range) -> Scorer:
    async def scorer(_: Call) -> Outcome:
        return Outcome(ranges)

    return scorer


def raises(error: BaseException) -> Scorer:
    async def scorer(_: Call) -> Outcome:
        raise error

    return scorer


async def score(
    asked: Call, inner: Scorer, *, reasons: list[DefaultReason] | None = None, missing_passes: bool = False
) -> Outcome:
    chosen = list(DefaultReason) if reasons is None else reasons
    return await Fallback(chosen, missing_passes=missing_passes)(asked, inner)


def summary(outcome: Outcome) -> list[tuple[int, int, list[Any], BridgeError | None]]:
    return [
        (part.first, part.count, [one.values.tolist() for one in part.scores], part.error) for part in outcome.ranges
    ]


DEFAULTABLE: list[tuple[BridgeError, DefaultReason]] = [
    (DeadlineExceeded("x"), DefaultReason.DEADLINE),
    (WorkerLost("x"), DefaultReason.WORKER_LOST),
    (PoisonCall("x"), DefaultReason.WORKER_LOST),
    (PredictionFailed("x"), DefaultReason.MODEL_ERROR),
    (MalformedPrediction("x"), DefaultReason.MALFORMED_PREDICTION),
    (MissingScore("x"), DefaultReason.MISSING_SCORE),
    (Overloaded("x"), DefaultReason.OVERLOADED),
    (CircuitOpen("x"), DefaultReason.CIRCUIT_OPEN),
    (ModelNotReady("x"), DefaultReason.MODEL_NOT_READY),
    (Draining("x"), DefaultReason.DRAINING),
]


@pytest.mark.parametrize(("error", "reason"), DEFAULTABLE)
async def test_what_is_raised_fills_every_row_and_is_kept_as_the_reason(
    error: BridgeError, reason: DefaultReason
) -> None:
    outcome = await score(call(3, HALF), raises(error))
    assert summary(outcome) == [(0, 3, [[0.5] * 3], error)]
    assert outcome.ranges[0].defaulted
    assert error.default_reason is reason
    only = await score(call(3, HALF), raises(error), reasons=[reason])
    assert only.ranges[0].defaulted
    others = [other for other in DefaultReason if other is not reason]
    assert summary(await score(call(3, HALF), raises(error), reasons=others)) == [(0, 3, [], error)]


@pytest.mark.parametrize(
    "error", [InvalidRequest("x"), ModelNotFound("x"), VersionRefused("x"), InternalError("x"), BridgeError("x")]
)
async def test_a_caller_s_error_and_a_bug_are_never_filled(error: BridgeError) -> None:
    outcome = await score(call(2, HALF), raises(error))
    assert summary(outcome) == [(0, 2, [], error)]
    assert outcome.first_failure() is error


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ZeroDivisionError()])
async def test_a_cancellation_and_a_foreign_error_go_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        await score(call(1, HALF), raises(error))


async def test_without_a_default_nothing_is_filled() -> None:
    error = WorkerLost("x")
    assert summary(await score(call(2), raises(error))) == [(0, 2, [], error)]
    (part,) = (await score(call(2), answers(Range(0, 2, (column(1.0, np.nan),))))).ranges
    assert part.error is None
    assert np.isnan(part.scores[0].values[1])


async def test_only_failed_ranges_are_filled() -> None:
    lost, refused = WorkerLost("x"), InvalidRequest("y")
    inner = answers(
        Range(0, 2, (column(1.0, 2.0),)), Range(2, 1, error=lost), Range(3, 2, error=refused), Range(5, 1, (column(6),))
    )
    outcome = await score(call(6, HALF), inner)
    assert summary(outcome) == [
        (0, 2, [[1.0, 2.0]], None),
        (2, 1, [[0.5]], lost),
        (3, 2, [], refused),
        (5, 1, [[6.0]], None),
    ]
    assert outcome.first_failure() is refused


SCORES = st.lists(st.one_of(st.just(np.nan), st.floats(-9, 9)), min_size=1, max_size=8)


@given(SCORES.flatmap(lambda values: st.tuples(st.just(values), st.integers(0, len(values)))))
@settings(max_examples=50, deadline=None)
def test_rows_without_a_score_are_split_off_and_no_other_changes(sample: tuple[list[float], int]) -> None:
    values, cut = sample
    ranges = [
        Range(first, last - first, (column(*values[first:last]),))
        for first, last in ((0, cut), (cut, len(values)))
        if first < last
    ]
    outcome = asyncio.run(score(call(len(values), HALF), answers(*ranges)))
    got = np.concatenate([part.scores[0].values for part in outcome.ranges])
    assert got.tolist() == [0.5 if np.isnan(value) else value for value in values]
    assert [part.first for part in outcome.ranges] == np.cumsum([0, *(one.count for one in outcome.ranges)])[
        :-1
    ].tolist()
    assert all(len(part.scores[0]) == part.count > 0 for part in outcome.ranges)
    marked = [part.defaulted for part in outcome.ranges for _ in range(part.count)]
    assert marked == [bool(np.isnan(value)) for value in values]
    assert {type(part.error) for part in outcome.ranges if part.defaulted} <= {MissingScore}


@pytest.mark.parametrize(
    ("reasons", "missing_passes"),
    [(None, True), ([reason for reason in DefaultReason if reason is not DefaultReason.MISSING_SCORE], False)],
)
async def test_missing_scores_pass_where_the_author_says_so(
    reasons: list[DefaultReason] | None, missing_passes: bool
) -> None:
    inner = answers(Range(0, 2, (column(np.nan, 1.0),)))
    (part,) = (await score(call(2, HALF), inner, reasons=reasons, missing_passes=missing_passes)).ranges
    assert np.isnan(part.scores[0].values[0])
    assert part.error is None


async def test_a_row_that_lacks_one_of_its_scores_gets_the_default_of_all() -> None:
    text = Column("label", Type.STRING, np.array(["a", "", "c"], object), np.array([False, True, False]))
    defaults = (HALF, DefaultScore(Output("label", Type.STRING), "none"))
    outcome = await score(call(3, *defaults), answers(Range(0, 3, (column(1.0, 2.0, np.nan), text))))
    assert [entry[:3] for entry in summary(outcome)] == [(0, 1, [[1.0], ["a"]]), (1, 2, [[0.5, 0.5], ["none", "none"]])]


async def test_a_default_takes_the_name_and_type_that_the_model_answered_with() -> None:
    lost = WorkerLost("x")
    whole = Column("n", Type.INT, np.array([7], np.int32))
    three = DefaultScore(Output("score", Type.DOUBLE), 3.0)
    outcome = await score(call(2, three), answers(Range(0, 1, (whole,)), Range(1, 1, error=lost)))
    (filled,) = outcome.ranges[1].scores
    assert (filled.name, filled.type, filled.values.tolist()) == ("n", Type.INT, [3])
    assert filled.values.dtype == np.int32
    two = (column(1.0, name="a"), column(1.0, name="b"))
    outcome = await score(call(2, three), answers(Range(0, 1, two), Range(1, 1, error=lost)))
    assert [(one.name, one.values.tolist()) for one in outcome.ranges[1].scores] == [("a", [3.0]), ("b", [3.0])]


async def test_a_default_that_does_not_fit_the_model_s_answer_is_none() -> None:
    lost = WorkerLost("x")
    text = Column("label", Type.STRING, np.array(["a"], object))
    outcome = await score(call(2, HALF), answers(Range(0, 1, (text,)), Range(1, 1, error=lost)))
    assert summary(outcome) == [(0, 1, [["a"]], None), (1, 1, [], lost)]


def partial_call(rows: int, *defaults: DefaultScore) -> Call:
    return replace(call(rows, *defaults), partial=True)


OF_ROWS = [*DEFAULTABLE, (UnknownLevel("x"), DefaultReason.UNKNOWN_LEVEL)]
OF_ROWS += [(UnfitRow("x"), DefaultReason.INVALID_VALUE), (RefusedLevel("x"), DefaultReason.UNKNOWN_LEVEL)]


@pytest.mark.parametrize(("error", "reason"), OF_ROWS)
async def test_failed_rows_of_a_partial_call_stay_failed_and_fail_no_other(
    error: BridgeError, reason: DefaultReason
) -> None:
    inner = answers(Range(0, 2, (column(1.0, 2.0),)), Range(2, 1, error=error))
    outcome = await score(partial_call(3), inner)
    assert summary(outcome) == [(0, 2, [[1.0, 2.0]], None), (2, 1, [], error)]
    assert (outcome.partial, outcome.first_failure()) == (True, None)
    assert error.failed_reason is reason
    whole = await score(call(3), inner)
    assert (whole.partial, whole.first_failure()) == (False, error)


@pytest.mark.parametrize("error", [InvalidRequest("x"), InternalError("x"), BridgeError("x")])
async def test_what_is_no_row_s_fault_fails_a_partial_call_too(error: BridgeError) -> None:
    inner = answers(Range(0, 1, (column(1.0),)), Range(1, 1, error=PredictionFailed("y")), Range(2, 1, error=error))
    outcome = await score(partial_call(3), inner)
    assert not outcome.partial
    assert isinstance(outcome.first_failure(), PredictionFailed)


async def test_a_partial_call_without_any_score_fails_as_another_does() -> None:
    first = PredictionFailed("x")
    for inner in (raises(first), answers(Range(0, 1, error=first), Range(1, 2, error=UnfitRow("y")))):
        outcome = await score(partial_call(3), inner)
        assert (outcome.partial, outcome.first_failure()) == (False, first)


async def test_a_partial_call_of_which_every_row_has_a_score_is_as_any_other() -> None:
    outcome = await score(partial_call(2), answers(Range(0, 2, (column(1.0, np.nan),))))
    assert not outcome.partial
    assert outcome.ranges[0].error is None


async def test_the_default_goes_before_a_missing_score_where_it_may() -> None:
    lost, refused = WorkerLost("x"), RefusedLevel("y")
    inner = answers(Range(0, 1, error=lost), Range(1, 1, error=refused), Range(2, 1, (column(3.0),)))
    outcome = await score(partial_call(3, HALF), inner)
    assert summary(outcome) == [(0, 1, [[0.5]], lost), (1, 1, [], refused), (2, 1, [[3.0]], None)]
    assert outcome.partial
    # An event that its author does not answer with the default.
    outcome = await score(partial_call(3, HALF), inner, reasons=[DefaultReason.DEADLINE])
    assert [part.failed for part in outcome.ranges] == [True, True, False]
    assert outcome.partial
    # Default scores alone are scores too.
    outcome = await score(partial_call(2, HALF), answers(Range(0, 1, error=lost), Range(1, 1, error=refused)))
    assert summary(outcome) == [(0, 1, [[0.5]], lost), (1, 1, [], refused)]
    assert outcome.partial


async def test_a_default_is_of_the_type_that_an_answer_has_which_says_something() -> None:
    lost, nothing = WorkerLost("x"), Column("score", Type.BOOL, np.array([False]), np.array([True]))
    inner = answers(Range(0, 1, (nothing,)), Range(1, 1, (column(2.0),)), Range(2, 1, error=lost))
    outcome = await score(call(3, HALF), inner)
    assert [part.scores[0].values.tolist() for part in outcome.ranges] == [[0.5], [2.0], [0.5]]
    assert [part.defaulted for part in outcome.ranges] == [True, False, True]
