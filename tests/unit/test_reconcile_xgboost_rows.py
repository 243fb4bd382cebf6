"""Logged requests become rows in the booster's order: names, numbers, categories and what is missing, read anew."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from logged import doubles, floats, matrix
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Array
from bridge.reconcile.calls import AnsweredCall, LoggedBatch
from bridge.reconcile.xgboost_codes import UnfitRows
from bridge.reconcile.xgboost_levels import Levels
from bridge.reconcile.xgboost_rows import RowReader, Rows

NAMES = ("a", "b", "c")
LONG = (1111111111111111111, 1111111111111111112, 1111111111111111113)
TOWNS = ("grün", "rot")


def batch_of(features: pb.Matrix | pb.Table, defaulted: Sequence[int] = ()) -> LoggedBatch:
    """The rows of a call, without those that were answered with defaults."""
    request = pb.ScoreRequest()
    getattr(request, "matrix" if isinstance(features, pb.Matrix) else "table").CopyFrom(features)
    late = [pb.DefaultedRows(first=row, count=1, reason=pb.DEFAULT_REASON_DEADLINE) for row in defaulted]
    response = pb.ScoreResponse(defaulted_rows=late)
    return AnsweredCall(1, log_pb.LogRecord(), request, response).batches()[0]


def read(features: pb.Matrix | pb.Table, reader: RowReader, defaulted: Sequence[int] = ()) -> Rows:
    return reader.read(batch_of(features, defaulted))


def reader_of(levels: dict[int, Levels] | None = None, missing: float = np.nan, margin: str | None = None) -> RowReader:
    return RowReader(NAMES, levels or {}, missing, margin)


def table_with(column: pb.Column) -> pb.Table:
    """Its column is `c`, with as many rows as that has."""
    kind = column.WhichOneof("values") or ""
    count = len(getattr(column, kind).values)
    column.name = "c"
    return pb.Table(columns=[doubles(np.zeros(count), "a"), column, doubles(np.ones(count), "b")])


def ints(values: Sequence[int], missing: Sequence[int] = ()) -> pb.Column:
    return pb.Column(int64s=pb.Int64Array(values=values), missing_rows=missing)


def texts(values: Sequence[str], missing: Sequence[int] = ()) -> pb.Column:
    return pb.Column(strings=pb.StringArray(values=values), missing_rows=missing)


def codes_in(column: pb.Column, levels: Levels, missing: float = np.nan) -> Array:
    return read(table_with(column), reader_of({2: levels}, missing)).numbers[:, 2]


def test_columns_are_taken_by_their_names_and_rows_by_their_numbers() -> None:
    sent = np.arange(12.0).reshape(4, 3)
    named = read(matrix(sent, ["c", "a", "b"]), reader_of(), defaulted=[1])
    assert named.numbers.tolist() == [[1, 2, 0], [7, 8, 6], [10, 11, 9]]
    assert not named.is_table
    columns = [doubles(sent[:, 0], "c"), doubles(sent[:, 1], "a"), doubles(sent[:, 2], "b")]
    by_column = read(pb.Table(columns=columns), reader_of(), defaulted=[1])
    assert by_column.numbers.tolist() == named.numbers.tolist()
    assert by_column.is_table
    assert read(matrix(sent), reader_of()).numbers.tolist() == sent.tolist()


def test_numbers_stay_what_they_are_until_the_library_takes_them() -> None:
    many = np.full((100, 3), 0.1, np.float32)
    sent = pb.Matrix(rows=100, floats=pb.FloatArray(values=many.ravel()))
    assert read(sent, reader_of()).numbers.dtype == np.float32
    assert read(matrix(many), reader_of()).numbers.dtype == np.float64
    long = 2**60 + 2**36 + 1  # to a double and then to a float, it is rounded the other way
    assert np.float32(np.int64(long)) != np.float32(np.float64(long))
    found = codes_in_numbers(ints([long, 5], missing=[1]))
    assert found[0] == np.float32(np.int64(long))
    assert np.isnan(found[1])
    assert codes_in_numbers(pb.Column(bools=pb.BoolArray(values=[True, False]))).tolist() == [1, 0]
    assert codes_in_numbers(pb.Column(int32s=pb.Int32Array(values=[-7]))).tolist() == [-7]


def codes_in_numbers(column: pb.Column) -> Array:
    """A column of a feature that is no category."""
    return read(table_with(column), reader_of()).numbers[:, 2]


def test_the_margin_is_a_column_of_its_own() -> None:
    sent = np.arange(8.0).reshape(2, 4)
    reader = reader_of(margin="start")
    last = read(matrix(sent), reader)
    named = read(matrix(sent, ["start", "a", "b", "c"]), reader)
    assert last.margins is not None
    assert named.margins is not None
    assert (last.margins.tolist(), last.numbers.shape) == ([3, 7], (2, 3))
    assert (named.margins.tolist(), named.numbers.tolist()) == ([0, 4], sent[:, 1:].tolist())


@pytest.mark.parametrize(
    ("features", "why"),
    [
        (matrix(np.ones((1, 2))), "they have 2 columns, the model takes 3"),
        (pb.Matrix(rows=2), "they have 0 columns, the model takes 3"),
        (matrix(np.ones((1, 3)), ["a", "b", "d"]), "they have other columns than the model"),
        (matrix(np.ones((1, 4)), ["a", "b", "c", "c"]), "they have other columns than the model"),
        (matrix(np.array([[1, np.inf, 1]])), "column 'b' holds an infinite number, or one beyond float32"),
        (matrix(np.array([[1, 1, 1e39]])), "column 'c' holds an infinite number, or one beyond float32"),
        (table_with(texts(["1.5"])), "column 'c' is string, the model takes numbers"),
    ],
)
def test_rows_that_do_not_fit_are_told_why(features: pb.Matrix | pb.Table, why: str) -> None:
    with pytest.raises(UnfitRows) as raised:
        read(features, reader_of())
    assert str(raised.value) == why


def test_whole_numbers_are_told_apart_by_every_digit() -> None:
    found = codes_in(ints([LONG[2], LONG[0], LONG[1], 0], missing=[3]), Levels(LONG))
    assert found[:3].tolist() == [2, 0, 1]
    assert np.isnan(found[3])
    week = Levels(tuple(range(1, 8)))
    for column in (pb.Column(int32s=pb.Int32Array(values=[7, 1])), doubles([7, 1]), floats([7, 1])):
        assert codes_in(column, week).tolist() == [6, 0]


def test_texts_are_told_apart_by_every_letter() -> None:
    found = codes_in(texts(["rot", "grün", ""], missing=[2]), Levels(TOWNS))
    assert found[:2].tolist() == [1, 0]
    assert np.isnan(found[2])


def test_a_column_without_any_value_fits_whatever_its_type() -> None:
    for levels in (Levels(TOWNS), Levels(LONG), Levels()):
        for column in (texts(["", ""], missing=[0, 1]), ints([0, 0], missing=[0, 1]), doubles([np.nan, np.nan])):
            assert np.isnan(codes_in(column, levels)).all()
    assert np.isnan(codes_in_numbers(texts([""], missing=[0]))).all()


@pytest.mark.parametrize(
    ("column", "levels", "why"),
    [
        (texts(["blau"]), Levels(TOWNS), "column 'c' has a value that is none of the 2 levels"),
        (texts(["blau"]), Levels(TOWNS, rule="default"), "column 'c' has a value that is none of the 2 levels"),
        (doubles([1.5]), Levels((1, 2)), "column 'c' has a value that is none of the 2 levels"),
        (ints([1]), Levels(TOWNS), "column 'c' is int64, the model takes text"),
        (texts(["1"]), Levels((1, 2)), "column 'c' is string, the model takes numbers"),
        (pb.Column(bools=pb.BoolArray(values=[True])), Levels((0, 1)), "column 'c' is bool, the model takes numbers"),
        (
            doubles([2.0**54]),
            Levels(LONG),
            "column 'c' holds a whole number that a double may have rounded: send int64",
        ),
        (floats([2.0**25]), Levels(LONG), "column 'c' holds a whole number that a float may have rounded: send int64"),
        (texts(["1"]), Levels(by_codes=True), "column 'c' is string, the model takes numbers"),
    ],
)
def test_values_that_are_no_levels_are_told_why(column: pb.Column, levels: Levels, why: str) -> None:
    with pytest.raises(UnfitRows) as raised:
        codes_in(column, levels)
    assert str(raised.value) == why


def test_values_of_a_category_that_nobody_knows_the_levels_of_are_no_codes() -> None:
    for column in (ints([1]), texts(["x"]), doubles([0])):
        with pytest.raises(UnfitRows, match=r"levels neither the model file nor model\.toml states: state them in"):
            codes_in(column, Levels())


def test_unknown_levels_are_missing_where_the_author_says_so() -> None:
    found = codes_in(ints([5, 1]), Levels((1, 2), rule="missing"))
    assert np.isnan(found[0])
    assert found[1] == 0
    rows = np.array([[0, 0, 1], [0, 0, 2.0]])
    assert np.isnan(read(matrix(rows), reader_of({2: Levels((1, 2), rule="missing")})).numbers[1, 2])


def test_the_number_for_missing_is_a_category_where_it_is_a_level() -> None:
    assert np.isnan(codes_in(ints([-1]), Levels((1, 2)), missing=-1)).all()
    assert codes_in(ints([-1]), Levels((-1, 2)), missing=-1).tolist() == [0]
    assert np.isnan(codes_in(floats([0.1]), Levels((1, 2)), missing=0.1)).all()
    assert np.isnan(codes_in(doubles([0.1]), Levels((1, 2)), missing=0.1)).all()
    with pytest.raises(UnfitRows):
        codes_in(texts(["-1"]), Levels(TOWNS), missing=-1)


def codes_sent(code: float, levels: Levels, missing: float = np.nan) -> Any:
    return read(matrix(np.array([[0, 0, code]])), reader_of({2: levels}, missing)).numbers[0, 2]


def test_a_matrix_holds_codes_and_the_number_for_missing_is_left_to_the_library() -> None:
    for levels in (Levels(), Levels(LONG), Levels(TOWNS), Levels(by_codes=True)):
        assert codes_sent(1, levels) == 1
        assert np.isnan(codes_sent(np.nan, levels))
        assert codes_sent(-5, levels, missing=-5) == -5
        for none in (-1, 0.5):
            with pytest.raises(UnfitRows, match="'c' has a number that is not the code of a category"):
                codes_sent(none, levels)
    assert codes_sent(17, Levels()) == 17
    with pytest.raises(UnfitRows, match="'c' has a value that is none of the 2 levels"):
        codes_sent(2, Levels(TOWNS))


def test_a_table_may_hold_codes_where_the_author_says_so() -> None:
    assert codes_in(ints([3, 0]), Levels(by_codes=True)).tolist() == [3, 0]


def test_rows_that_got_a_default_do_not_spoil_the_others() -> None:
    rows = read(table_with(texts(["rot", "blau", "grün"])), reader_of({2: Levels(TOWNS)}), defaulted=[1])
    assert rows.numbers[:, 2].tolist() == [1, 0]
