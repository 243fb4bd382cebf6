"""A Pred.R that raises, or returns what is no score."""

import pytest
from scorebridge import PredictionFailed, Source
from sick import DEFAULT, Sick, StartSick

MALFORMED = {
    "null": "Pred.R returned NULL",
    "few": "returned 1 score for 2 rows",
    "many": "returned 3 scores for 2 rows",
    "text": "the output 'score' is string, and must be double",
    "matrix": "returned a 1 x 3 matrix for 2 rows",
}


@pytest.mark.parametrize("do", sorted(MALFORMED))
async def test_what_is_no_score_is_said_to_be_malformed(sick: Sick, do: str) -> None:
    before = sick.workers()
    answer = await sick.call(do, [1.0, 2.0])
    assert answer.reasons == ["MALFORMED_PREDICTION"] * 2
    assert MALFORMED[do] in answer.defaults[0].detail
    with pytest.raises(PredictionFailed, match=MALFORMED[do]) as raised:
        await sick.call(do, [1.0, 2.0], allow_default=False)
    assert raised.value.reason == "MALFORMED_PREDICTION"
    assert sick.workers() == before
    await sick.recovers(set())


async def test_one_row_as_a_matrix_of_three_is_malformed_too(sick: Sick) -> None:
    answer = await sick.call("matrix", [1.0])
    assert answer.reasons == ["MALFORMED_PREDICTION"]
    assert "score_1" in answer.defaults[0].detail
    await sick.recovers(set())


async def test_two_hundred_megabytes_are_not_sent(sick: Sick) -> None:
    answer = await sick.call("huge", timeout_s=20)
    assert answer.reasons == ["MALFORMED_PREDICTION"]
    assert "larger than a reply may be" in answer.defaults[0].detail
    await sick.recovers(set())


async def test_missing_scores_cost_their_own_rows(sick: Sick) -> None:
    answer = await sick.call("missing", [1.0, -1.0, 2.0])
    assert answer.source is Source.MIXED
    assert answer.scores.tolist() == [2.0, DEFAULT, 4.0]
    assert answer.reasons == [None, "MISSING_SCORE", None]


async def test_a_model_that_raises_fails_its_call(start_sick: StartSick) -> None:
    sick = await start_sick(default=False)
    with pytest.raises(PredictionFailed) as raised:
        await sick.call("raise", [1.0, 2.0])
    assert raised.value.reason == "MODEL_ERROR"
    await sick.recovers(set())


async def test_a_condition_that_is_no_error_fails_its_call_too(sick: Sick) -> None:
    before = sick.workers()
    answer = await sick.call("bare", [1.0, 2.0])
    assert answer.reasons == ["MODEL_ERROR"] * 2
    assert answer.defaults[0].detail.endswith("raised a condition of class 'condition'")
    assert sick.workers() == before
    await sick.recovers(set())


async def test_a_function_that_leaves_without_a_condition_fails_its_call_too(sick: Sick) -> None:
    before = sick.workers()
    answer = await sick.call("abort", [1.0, 2.0])
    assert answer.reasons == ["MODEL_ERROR"] * 2
    assert answer.defaults[0].detail.endswith("R left the predict function without a condition, as abort does")
    assert sick.workers() == before
    await sick.recovers(set())


async def test_one_bad_row_of_a_row_wise_model_costs_one_default(start_sick: StartSick) -> None:
    sick = await start_sick("row_wise = true")
    values = [float(n) for n in range(1, 65)]
    values[13] = values[40] = -1.0
    answer = await sick.call("bad_rows", values)
    wanted = [2 * value if value > 0 else DEFAULT for value in values]
    assert answer.scores.tolist() == wanted
    assert [row for row, reason in enumerate(answer.reasons) if reason == "MODEL_ERROR"] == [13, 40]
    assert answer.defaulted.sum() == 2


async def test_a_bad_row_of_a_model_that_is_not_row_wise_costs_the_call(sick: Sick) -> None:
    answer = await sick.call("bad_rows", [1.0, -1.0, 2.0])
    assert answer.reasons == ["MODEL_ERROR"] * 3
    assert answer.attempts == 1
