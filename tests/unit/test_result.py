"""The client's answer: scores in their own types, and for each row where its score comes from."""

from typing import Any

import numpy as np
import pytest
from scorebridge import DefaultedRows, FailedRows, Lookup, PredictionFailed, Source
from scorebridge.result import read_scores
from scorebridge.v1 import scoring_pb2 as pb


def response_of(*columns: pb.Column, **fields: Any) -> pb.ScoreResponse:
    chosen: dict[str, Any] = {"scores": columns, "source": pb.SCORE_SOURCE_MODEL} | fields
    return pb.ScoreResponse(**chosen)


def doubles(name: str, values: list[float], missing: list[int] | None = None) -> pb.Column:
    return pb.Column(name=name, doubles=pb.DoubleArray(values=values), missing_rows=missing)


def test_every_field_of_the_answer_is_there() -> None:
    response = response_of(
        doubles("score", [0.5, 0.25]), request_id="r", model="m", version=3, digest="sha256:00", attempts=2
    )
    response.queue_time.FromNanoseconds(1_500_000_000)
    response.backend_time.FromNanoseconds(250_000)
    answer = read_scores(response, 2)
    assert (answer.request_id, answer.model, answer.version, answer.digest) == ("r", "m", 3, "sha256:00")
    assert (answer.rows, answer.attempts, answer.queue_s, answer.backend_s) == (2, 2, 1.5, 0.00025)
    assert (answer.source, answer.defaults, answer.reasons) == (Source.MODEL, (), [None, None])
    assert answer.scores.tolist() == [0.5, 0.25]
    assert answer.defaulted.tolist() == [False, False]


def test_every_lookup_says_where_its_features_came_from() -> None:
    history = pb.Lookup(name="history", group="users", batch="2026-11-24", previous_rows=2, missing_rows=1)
    history.age.FromNanoseconds(3_500_000_001)
    down = pb.Lookup(name="shops", group="shops", missing_rows=2, failure=pb.DEFAULT_REASON_STORE_UNAVAILABLE)
    answer = read_scores(response_of(doubles("score", [0.5, 0.25]), lookups=[history, down]), 2)
    assert answer.lookups == (
        Lookup("history", "users", "2026-11-24", 3.500000001, previous_rows=2, missing_rows=1, failure=None),
        Lookup("shops", "shops", "", None, previous_rows=0, missing_rows=2, failure="STORE_UNAVAILABLE"),
    )
    assert read_scores(response_of(doubles("score", [0.5])), 1).lookups == ()


@pytest.mark.parametrize(
    "lookup", [pb.Lookup(name="history", previous_rows=3), pb.Lookup(name="history", missing_rows=3)]
)
def test_a_lookup_of_more_rows_than_the_call_has_makes_no_sense(lookup: pb.Lookup) -> None:
    response = response_of(doubles("score", [0.5, 0.25]), lookups=[lookup])
    with pytest.raises(PredictionFailed, match=r"lookup 'history' counts 3 rows, but the call had 2 rows$"):
        read_scores(response, 2)


COLUMNS: list[tuple[pb.Column, Any, list[Any]]] = [
    (doubles("s", [0.1, 0.0, 3.0], [1]), np.float64, [0.1, None, 3.0]),
    (pb.Column(floats=pb.FloatArray(values=[0.5, 0, 3]), missing_rows=[1]), np.float32, [0.5, None, 3.0]),
    (pb.Column(int32s=pb.Int32Array(values=[1, 2, -3])), np.int32, [1, 2, -3]),
    (pb.Column(int32s=pb.Int32Array(values=[1, 0, -3]), missing_rows=[1]), np.float64, [1.0, None, -3.0]),
    (pb.Column(int64s=pb.Int64Array(values=[2**60, 0, 1])), np.int64, [2**60, 0, 1]),
    (pb.Column(int64s=pb.Int64Array(values=[2**52, 0, 1]), missing_rows=[1, 2]), np.float64, [2.0**52, None, None]),
    (pb.Column(bools=pb.BoolArray(values=[True, False, True])), np.bool_, [True, False, True]),
    (pb.Column(bools=pb.BoolArray(values=[True, False, True]), missing_rows=[1]), object, [True, None, True]),
    (pb.Column(strings=pb.StringArray(values=["a", "", "é"])), object, ["a", "", "é"]),
    (pb.Column(strings=pb.StringArray(values=["a", "", "é"]), missing_rows=[0, 1]), object, [None, None, "é"]),
]


@pytest.mark.parametrize(("column", "dtype", "expected"), COLUMNS)
def test_scores_keep_their_type_and_missing_ones_are_nan_or_none(
    column: pb.Column, dtype: Any, expected: list[Any]
) -> None:
    scores = read_scores(response_of(column), 3).scores
    assert scores.dtype == dtype
    if dtype is object:
        assert scores.tolist() == expected
    else:
        missing = [value is None for value in expected]
        assert (scores != scores).tolist() == missing  # noqa: PLR0124 - NaN alone differs from itself
        assert scores[np.invert(missing)].tolist() == [value for value in expected if value is not None]


def test_several_outputs_are_columns_of_one_array() -> None:
    answer = read_scores(response_of(doubles("b", [1, 2]), doubles("a", [3, 4])), 2)
    assert list(answer.columns) == ["b", "a"]
    assert answer.scores.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert answer.columns["a"].tolist() == [3.0, 4.0]
    assert read_scores(response_of(doubles("a", [])), 0).scores.shape == (0,)


def test_defaults_are_marked_row_by_row_with_their_reason() -> None:
    response = response_of(
        doubles("s", [0.0] * 6),
        source=pb.SCORE_SOURCE_MIXED,
        defaulted_rows=[
            pb.DefaultedRows(first=0, count=1, reason=pb.DEFAULT_REASON_DEADLINE, detail="late"),
            pb.DefaultedRows(first=3, count=2, reason=pb.DEFAULT_REASON_MODEL_NOT_READY, detail="loading"),
        ],
    )
    answer = read_scores(response, 6)
    assert answer.source is Source.MIXED
    assert answer.defaults == (
        DefaultedRows(0, 1, "DEADLINE", "late"),
        DefaultedRows(3, 2, "MODEL_NOT_READY", "loading"),
    )
    assert answer.defaulted.tolist() == [True, False, False, True, True, False]
    assert answer.reasons == ["DEADLINE", None, None, "MODEL_NOT_READY", "MODEL_NOT_READY", None]


def test_failed_rows_are_told_apart_from_defaults() -> None:
    response = response_of(
        doubles("s", [0.0, 0.0, 0.5, 0.25], [0, 1]),
        pb.Column(name="class", strings=pb.StringArray(values=["", "", "a", "b"]), missing_rows=[0, 1]),
        source=pb.SCORE_SOURCE_MIXED,
        defaulted_rows=[pb.DefaultedRows(first=2, count=1, reason=pb.DEFAULT_REASON_DEADLINE, detail="late")],
        failed_rows=[pb.FailedRows(first=0, count=2, reason=pb.DEFAULT_REASON_INVALID_VALUE, detail="too large")],
    )
    answer = read_scores(response, 4)
    assert answer.failed_rows == (FailedRows(0, 2, "INVALID_VALUE", "too large"),)
    assert answer.failed.tolist() == [True, True, False, False]
    assert answer.defaulted.tolist() == [False, False, True, False]
    assert answer.reasons == ["INVALID_VALUE", "INVALID_VALUE", "DEADLINE", None]
    assert np.array_equal(answer.columns["s"], [np.nan, np.nan, 0.5, 0.25], equal_nan=True)
    assert answer.columns["class"].tolist() == [None, None, "a", "b"]


@pytest.mark.parametrize(("first", "count"), [(1, 2), (2, 1), (2**32 - 1, 1), (0, 2**32 - 1)])
def test_failed_rows_past_the_end_make_no_sense(first: int, count: int) -> None:
    part = pb.FailedRows(first=first, count=count, reason=pb.DEFAULT_REASON_DEADLINE)
    with pytest.raises(PredictionFailed, match=f"failures for rows {first} to {first + count - 1}, but the call had 2"):
        read_scores(response_of(doubles("s", [1, 2]), failed_rows=[part]), 2)


@pytest.mark.parametrize("name", [name for name, number in pb.DefaultReason.items() if number])
def test_every_reason_of_the_proto_has_its_name(name: str) -> None:
    part = pb.DefaultedRows(first=0, count=1, reason=name, detail="why")
    answer = read_scores(response_of(doubles("s", [1]), source=pb.SCORE_SOURCE_DEFAULT, defaulted_rows=[part]), 1)
    assert answer.reasons == [name.removeprefix("DEFAULT_REASON_")]


def test_what_explains_scores_is_missing_where_they_are_defaults() -> None:
    response = response_of(
        doubles("score", [0.25, 0.5, 0.75]),
        pb.Column(name="share of age", floats=pb.FloatArray(values=[0.5, 0.0, -0.5]), missing_rows=[1]),
        pb.Column(name="leaf", floats=pb.FloatArray(values=[3.0, 0.0, 4.0]), missing_rows=[1]),
        pb.Column(name="reason_1", strings=pb.StringArray(values=["age", "", ""]), missing_rows=[1, 2]),
        source=pb.SCORE_SOURCE_MIXED,
        defaulted_rows=[pb.DefaultedRows(first=1, count=1, reason=pb.DEFAULT_REASON_UNKNOWN_LEVEL)],
    )
    answer = read_scores(response, 3)
    assert answer.reasons == [None, "UNKNOWN_LEVEL", None]
    assert answer.columns["score"].tolist() == [0.25, 0.5, 0.75]
    assert answer.columns["reason_1"].tolist() == ["age", None, None]
    for name, told in (("share of age", [0.5, -0.5]), ("leaf", [3.0, 4.0])):
        values = answer.columns[name]
        assert values.dtype == np.float32
        assert np.isnan(values).tolist() == [False, True, False]
        assert values[[0, 2]].tolist() == told
    assert answer.scores.shape == (3, 4)
    assert answer.scores[0].tolist() == [0.25, 0.5, 3.0, "age"]
    numbers = read_scores(response_of(*response.scores[:3]), 3).scores
    assert numbers.shape == (3, 3)
    assert numbers.dtype == np.float64


@pytest.mark.parametrize("name", [name for name, number in pb.ScoreSource.items() if number])
def test_every_source_of_the_proto_has_its_name(name: str) -> None:
    answer = read_scores(response_of(source=pb.ScoreSource.Value(name)), 0)
    assert f"SCORE_SOURCE_{answer.source}" == name


def test_a_reason_of_a_newer_gateway_has_its_number() -> None:
    part = pb.DefaultedRows(first=1, count=1, detail="who knows")
    part.reason = 42  # type: ignore[assignment]
    response = response_of(doubles("s", [1, 2]), source=pb.SCORE_SOURCE_MIXED, defaulted_rows=[part])
    assert read_scores(response, 2).reasons == [None, "REASON_42"]


def default_of(first: int, count: int) -> list[pb.DefaultedRows]:
    return [pb.DefaultedRows(first=first, count=count, reason=pb.DEFAULT_REASON_DEADLINE)]


SENSELESS: list[tuple[pb.ScoreResponse, str]] = [
    (response_of(doubles("s", [0.9])), "it has 1 scores for 3 rows"),
    (response_of(doubles("s", [1, 2, 3, 4])), "it has 4 scores for 3 rows"),
    (response_of(doubles("a", [1, 2, 3]), doubles("b", [1, 2])), "it has 2 scores for 3 rows"),
    (response_of(pb.Column(name="s")), "it has 0 scores for 3 rows"),
    (response_of(), "it has no scores for 3 rows"),
    (response_of(doubles("s", [1, 2, 3]), source=7), "its source of scores is 7"),
    (response_of(doubles("s", [1, 2, 3]), source=0), "its source of scores is 0"),
    (
        response_of(doubles("s", [1, 2, 3]), defaulted_rows=default_of(2, 5)),
        "it reports default scores for rows 2 to 6, but the call had 3 rows",
    ),
    (
        response_of(doubles("s", [1, 2, 3]), defaulted_rows=default_of(2**32 - 1, 1)),
        "it reports default scores for rows",
    ),
    (response_of(doubles("s", [1, 2, 3], [9])), "it reports row 9 as missing, but the call had 3 rows"),
    (
        response_of(pb.Column(strings=pb.StringArray(values=["a"] * 3), missing_rows=[3])),
        "it reports row 3 as missing, but the call had 3 rows",
    ),
]


@pytest.mark.parametrize(("response", "sentence"), SENSELESS)
def test_an_answer_that_makes_no_sense_is_none(response: pb.ScoreResponse, sentence: str) -> None:
    with pytest.raises(PredictionFailed, match=f"^the gateway's answer makes no sense: {sentence}") as raised:
        read_scores(response, 3)
    assert (raised.value.reason, raised.value.status, raised.value.by_gateway) == ("INTERNAL", "INTERNAL", False)
