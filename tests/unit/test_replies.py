"""Outcomes to replies, and calls to records: what is written by hand is what protobuf would have written."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Call, ModelRef, Outcome, Range, Trace
from bridge.codecs.scorebridge_v1.replies import defaulted_rows, failed_rows, source_of, write_column, write_reply
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.columns import Column, Matrix, Table, Type, constant
from bridge.errors import DeadlineExceeded, MissingScore, PoisonCall, PredictionFailed, RefusedLevel, UnfitRow


def call(request_id: str = "id", trace: Trace | None = None) -> Call:
    model = ModelRef("m", 3, "sha256:ab")
    return Call(request_id, model, Matrix((), np.zeros((1, 1))), 0.0, trace=trace or Trace())


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128),
    st.integers(0, 1000),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_a_reply_is_the_message_that_protobuf_would_write(
    request_id: str, attempts: int, queue_s: float, backend_s: float
) -> None:
    scores = (Column("score", Type.FLOAT, np.array([0.5, np.nan], np.float32)), constant("n", Type.INT, 7, 2))
    outcome = Outcome((Range(0, 2, scores, DeadlineExceeded("late")),))
    trace = Trace(attempts, queue_s, 0.0, backend_s)
    expected = pb.ScoreResponse(
        request_id=request_id, model="m", version=3, digest="sha256:ab", source=pb.SCORE_SOURCE_DEFAULT
    )
    expected.attempts = attempts
    expected.scores.add(name="score", floats=pb.FloatArray(values=[0.5, float("nan")]), missing_rows=[1])
    expected.scores.add(name="n", int32s=pb.Int32Array(values=[7, 7]))
    expected.defaulted_rows.add(count=2, reason=pb.DEFAULT_REASON_DEADLINE, detail="late")
    expected.queue_time.FromNanoseconds(round(queue_s * 1e9))
    expected.backend_time.FromNanoseconds(round(backend_s * 1e9))
    written = pb.ScoreResponse.FromString(write_reply(call(request_id, trace), outcome))
    assert written.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


def read_back(columns: Iterable[pb.Column]) -> tuple[Column, ...]:
    table = pb.ScoreRequest.FromString(pb.ScoreRequest(table=pb.Table(columns=columns)).SerializeToString())
    batch = read_batch(table)
    assert isinstance(batch, Table)
    return batch.columns


ENTRIES: dict[Type, st.SearchStrategy[Any]] = {
    Type.DOUBLE: st.floats(),
    Type.FLOAT: st.floats(width=32),
    Type.INT: st.integers(-(2**31), 2**31 - 1),
    Type.INT64: st.integers(-(2**63), 2**63 - 1),
    Type.BOOL: st.booleans(),
    Type.STRING: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
}


@st.composite
def columns_of(draw: st.DrawFn, rows: int) -> Column:
    column_type = draw(st.sampled_from(sorted(ENTRIES)))
    values = np.empty(rows, column_type.dtype)
    values[:] = draw(st.lists(ENTRIES[column_type], min_size=rows, max_size=rows))
    mask = None
    if not column_type.is_floating and draw(st.booleans()):
        mask = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
    return Column(draw(st.sampled_from(["x", "é"])), column_type, values, mask)


@given(st.integers(1, 6).flatmap(lambda rows: st.lists(columns_of(rows), min_size=1, max_size=3)), st.data())
@settings(max_examples=50, deadline=None)
def test_scores_in_any_ranges_are_read_back_to_the_bit(columns: list[Column], data: st.DataObject) -> None:
    rows = len(columns[0])
    edges = [0, *sorted(data.draw(st.sets(st.integers(1, rows - 1)) if rows > 1 else st.just(set()))), rows]
    ranges = tuple(
        Range(first, last - first, tuple(column.slice(first, last - first) for column in columns))
        for first, last in pairwise(edges)
    )
    returned = read_back(pb.ScoreResponse.FromString(write_reply(call(), Outcome(ranges))).scores)
    for sent, got in zip(columns, returned, strict=True):
        assert (got.name, got.type) == (sent.name, sent.type)
        assert got.missing().tolist() == sent.missing().tolist()
        present = ~sent.missing()
        if sent.type is Type.STRING:
            assert got.values[present].tolist() == sent.values[present].tolist()
        else:
            assert got.values[present].tobytes() == sent.values[present].tobytes()


def test_missing_scores_are_listed_whatever_their_type() -> None:
    nan = Column("d", Type.DOUBLE, np.array([np.nan, 1.0, np.nan]))
    masked = Column("s", Type.STRING, np.array(["", "a", "b"], object), np.array([True, False, False]))
    assert [list(pb.Column.FromString(write_column(column)).missing_rows) for column in (nan, masked)] == [[0, 2], [0]]


SCORED = (constant("score", Type.DOUBLE, 0.5, 2),)


def test_every_defaulted_range_is_written_with_its_reason_and_no_other() -> None:
    outcome = Outcome(
        (
            Range(0, 2, SCORED, DeadlineExceeded("too late")),
            Range(2, 2, SCORED),
            Range(4, 2, SCORED, PoisonCall("two workers lost", private="secret")),
        )
    )
    assert [(part.first, part.count, part.reason, part.detail) for part in defaulted_rows(outcome)] == [
        (0, 2, pb.DEFAULT_REASON_DEADLINE, "too late"),
        (4, 2, pb.DEFAULT_REASON_WORKER_LOST, "two workers lost"),
    ]


@pytest.mark.parametrize(
    ("defaulted", "source"),
    [
        ([False], pb.SCORE_SOURCE_MODEL),
        ([True], pb.SCORE_SOURCE_DEFAULT),
        ([True, True], pb.SCORE_SOURCE_DEFAULT),
        ([False, True], pb.SCORE_SOURCE_MIXED),
    ],
)
def test_the_source_is_mixed_only_if_both_kinds_are_there(defaulted: list[bool], source: int) -> None:
    ranges = tuple(
        Range(2 * at, 2, SCORED, MissingScore("no score") if marked else None) for at, marked in enumerate(defaulted)
    )
    assert source_of(Outcome(ranges)) == source


def test_failed_rows_are_missing_in_every_output_and_told_with_their_reason() -> None:
    kinds = {"d": Type.DOUBLE, "f": Type.FLOAT, "i": Type.INT, "l": Type.INT64, "b": Type.BOOL, "s": Type.STRING}
    scores = tuple(constant(name, kind, "a" if kind is Type.STRING else 1, 2) for name, kind in kinds.items())
    ranges = (
        Range(0, 1, error=PredictionFailed("it raised", private="secret")),
        Range(1, 2, scores),
        Range(3, 2, error=UnfitRow("too large")),
        Range(5, 1, error=RefusedLevel("unknown")),
        Range(6, 2, scores, DeadlineExceeded("too late")),
    )
    outcome = Outcome(ranges, partial=True)
    response = pb.ScoreResponse.FromString(write_reply(call(), outcome))
    assert response.source == pb.SCORE_SOURCE_MIXED
    assert [(part.first, part.count, part.reason, part.detail) for part in response.failed_rows] == [
        (0, 1, pb.DEFAULT_REASON_MODEL_ERROR, "it raised"),
        (3, 2, pb.DEFAULT_REASON_INVALID_VALUE, "too large"),
        (5, 1, pb.DEFAULT_REASON_UNKNOWN_LEVEL, "unknown"),
    ]
    assert list(response.failed_rows) == failed_rows(outcome)
    assert [(part.first, part.count) for part in response.defaulted_rows] == [(6, 2)]
    for column, (name, kind) in zip(read_back(response.scores), kinds.items(), strict=True):
        assert (column.name, column.type) == (name, kind)
        assert column.missing().tolist() == [True, False, False, True, True, True, False, False]
        assert set(column.values[[1, 2, 6, 7]].tolist()) == {"a" if kind is Type.STRING else 1}


def test_an_answer_that_says_nothing_takes_the_type_of_the_others() -> None:
    nothing, failed = Column("score", Type.BOOL, np.array([False]), np.array([True])), PredictionFailed("it raised")
    ranges = (Range(0, 1, error=failed), Range(1, 1, (nothing,)), Range(2, 2, SCORED), Range(4, 1, (nothing,)))
    outcome = Outcome(ranges, partial=True)
    (column,) = read_back(pb.ScoreResponse.FromString(write_reply(call(), outcome)).scores)
    assert column.type is Type.DOUBLE
    assert column.missing().tolist() == [True, True, False, False, True]
    assert column.values[2:4].tolist() == [0.5, 0.5]
