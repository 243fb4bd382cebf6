"""The client's rows: every form that people hold them in, as the same messages; what no model takes is refused."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost
from hypothesis import example, given, settings
from hypothesis import strategies as st
from row_messages import to_features
from scorebridge.rows import read_rows
from scorebridge.v1 import scoring_pb2 as pb


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([[1.5, np.nan], [-0.0, 3.25]], np.float32), "floats"),
        (np.array([[1.5, np.nan], [-0.0, 3.25]], np.float64), "doubles"),
        (np.array([[1.5, np.nan], [-0.0, 3.25]], np.float16), "doubles"),
        (np.array([[1.5, 2], [3, 3.25]], ">f8"), "doubles"),
        (np.array([[1, 2], [-3, 2**53]], np.int64), "doubles"),
        (np.array([[1, 2], [-(2**63), 2**60]], np.int64), "doubles"),
        (np.array([[1, 2**63], [0, 2**64 - 2**11]], np.uint64), "doubles"),
        (np.array([[1, 2], [3, 255]], np.uint8), "doubles"),
        (np.array([[1.5, np.nan], [np.inf, 0]], np.longdouble), "doubles"),
        (np.array([[True, False], [False, True]]), "doubles"),
        (np.array([[1.5, 2, 9], [3, 4, 9]], np.float32)[:, :2], "floats"),
        (np.asfortranarray([[1.5, 2], [3, 4]]), "doubles"),
    ],
)
def test_an_array_of_numbers_is_a_matrix(array: np.ndarray[Any, Any], kind: str) -> None:
    message = to_features(array)
    assert isinstance(message, pb.Matrix)
    assert (message.WhichOneof("values"), message.rows, list(message.columns)) == (kind, 2, [])
    values = np.array(getattr(message, kind).values, np.float64)
    assert values.tobytes() == array.astype(np.float64).tobytes()
    named = to_features(array, ["b", "a"])
    assert list(named.columns) == ["b", "a"]


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1, 2], [3, 2**53 + 1]]),
        np.array([[1, 2], [3, -(2**53) - 1], [2**63 - 1, 0]]),
        np.array([[1, 2**53], [3, 2**63 - 1]], np.int64),
        np.array([[2**63, 2], [3, 2**63 + 1]], np.uint64),
        np.asfortranarray([[1, 2], [3, 2**53 + 1]]),
        np.array([[1, 2], [3, np.nextafter(np.longdouble(1), np.longdouble(2))]], np.longdouble),
        np.array([[1, 2], [3, np.longdouble("1e4000")]], np.longdouble),
    ],
)
def test_numbers_that_no_double_holds_are_not_changed_on_the_way(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"^column 1, row 1: a number that no double holds exactly$"):
        to_features(array)
    with pytest.raises(ValueError, match=r"^column 'b', row 1: a number that no double holds exactly$"):
        to_features(array, ["a", "b"])


SHAPE = "an array of rows has shape (rows, columns), not "


@pytest.mark.parametrize(
    ("array", "columns", "kind", "sentence"),
    [
        (
            np.zeros(3),
            None,
            ValueError,
            "an array of rows has shape (rows, columns), not (3,); one row is rows[None, :], one column rows[:, None]",
        ),
        (np.zeros((1, 2, 3)), None, ValueError, "an array of rows has shape (rows, columns), not (1, 2, 3)"),
        (np.zeros((1, 2)), ["a"], ValueError, "columns has 1 names, but the rows have 2 columns"),
        (np.array([["a"]]), None, TypeError, "an array of rows holds numbers, not <U1"),
        (np.array([[1j]]), None, TypeError, "an array of rows holds numbers, not complex128"),
        (np.array([[None]]), None, TypeError, "an array of rows holds numbers, not object"),
        (np.array([["2020-01-01"]], "M8[D]"), None, TypeError, "an array of rows holds numbers, not datetime64[D]"),
    ],
)
def test_an_array_that_is_no_matrix_is_refused(
    array: np.ndarray[Any, Any], columns: Sequence[str] | None, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=f"^{re.escape(sentence)}$"):
        to_features(array, columns)


def names_of(rows: Any) -> list[str]:
    message = to_features(rows)
    assert isinstance(message, pb.Table)
    return [column.name for column in message.columns]


def test_names_and_their_order_are_the_frame_s() -> None:
    columns = {"b": [1.0], "a b": [2.0], "é": [3.0]}
    for rows in (columns, pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)):
        assert names_of(rows) == list(columns)


LABELS = st.one_of(
    st.text("ab ", max_size=2), st.integers(), st.floats(allow_nan=False), st.booleans(), st.dates(), st.none()
)


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=4), st.sampled_from(["plain", "several", "tuples"]))
@example([(0, ""), (0.0, "")], "tuples")
@example([(0, None), (0.0, None)], "plain")
@example([(1, 0), (True, 0)], "several")
@settings(max_examples=60, deadline=None)
def test_columns_of_pandas_are_named_as_xgboost_names_them(labels: list[tuple[Any, Any]], kind: str) -> None:
    indexes: dict[str, Callable[[], Any]] = {
        "plain": lambda: pd.Index([label for label, _ in labels], dtype=object),
        "several": lambda: pd.MultiIndex.from_tuples(labels),
        "tuples": lambda: pd.Index(labels, tupleize_cols=False),
    }
    frame = pd.DataFrame(np.arange(len(labels))[None] + 0.5, columns=indexes[kind]())
    names = [" ".join(map(str, label)) if kind == "several" else str(label) for label in frame.columns]
    if len(set(names)) < len(names):
        with pytest.raises(ValueError, match=r"^two columns are named '"):
            to_features(frame)
        return
    assert names_of(frame) == names
    assert values_of(frame) == [at + 0.5 for at in range(len(labels))]
    # xgboost allows those signs in no name, and takes no column whose label equals another's, as 0 and 0.0 do.
    if frame.columns.is_unique and not any(set(name) & set("[]<") for name in names):
        assert xgboost.DMatrix(frame).feature_names == names


@pytest.mark.parametrize(
    "labels",
    [
        pd.RangeIndex(2),
        pd.Index([1, 2], dtype=np.int8),
        pd.Index(np.array([0.1, 2], np.float32)),
        pd.date_range("2020-01-01", periods=2),
        pd.period_range("2020", periods=2, freq="M"),
        pd.CategoricalIndex(["a", "b"]),
        pd.Index([1, 2], dtype="int64[pyarrow]"),
        pd.MultiIndex.from_product([["a"], pd.date_range("2020-01-01", periods=2)]),
        pd.MultiIndex.from_tuples([("a",), ("b",)]),
        pd.MultiIndex.from_tuples([("a", ""), ("a", "b")]),
        pd.MultiIndex.from_tuples([("a", 1, None), ("a", 1, "b")]),
    ],
)
def test_labels_of_every_kind_have_xgboost_s_names(labels: Any) -> None:
    frame = pd.DataFrame([[0.5, 1.5]], columns=labels)
    assert names_of(frame) == xgboost.DMatrix(frame).feature_names
    assert values_of(frame) == [0.5, 1.5]


def values_of(rows: Any) -> list[float]:
    """Of tables of one row of doubles."""
    message = to_features(rows)
    assert isinstance(message, pb.Table)
    return [value for column in message.columns for value in column.doubles.values]  # noqa: PD011 - no frame's


def test_a_frame_of_a_class_derived_from_the_library_s_is_a_frame() -> None:
    class Patients(pd.DataFrame):
        """Of a caller's own."""

    class Visits(pl.DataFrame):
        """Likewise."""

    assert names_of(Patients({"x": [1.0]})) == names_of(Visits({"x": [1.0]})) == ["x"]


@pytest.mark.parametrize(
    "rows", ["rows", None, 2, pa.array([1.0]), {1, 2}, pd.Series([1.0], name="a"), pl.Series("a", [1.0])]
)
def test_rows_of_an_unknown_form_are_refused(rows: Any) -> None:
    with pytest.raises(TypeError, match=f"^rows can't be a {type(rows).__name__}: pass "):
        to_features(rows)


TWICE = "two columns are named 'a b c'"


@pytest.mark.parametrize(
    ("rows", "columns", "kind", "sentence"),
    [
        ({"x": np.zeros((1, 2))}, None, ValueError, "column 'x' is an array of 2 dimensions"),
        ({"x": np.array(1.0)}, None, ValueError, "column 'x' is an array of 0 dimensions"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), None, ValueError, "two columns are named 'a'"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), None, ValueError, "two columns are named '1'"),
        (
            pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b c"), ("a b", "c")])),
            None,
            ValueError,
            TWICE,
        ),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), None, ValueError, "two columns are named 'a'"),
        ({1: [1], "1": [2]}, None, ValueError, "two columns are named '1'"),
        ({"x": [1.5, 10**400]}, None, ValueError, "column 'x', row 1: a number that no double holds exactly"),
        ({"x": ["\ud800"]}, None, ValueError, "column 'x': half of a surrogate pair"),
        ({"\ud800": [1.0]}, None, ValueError, "column '\\ud800': half of a surrogate pair"),
        ({"x": [1.0], "y": [1.0, 2.0]}, None, ValueError, "column 'y' has 2 rows, 'x' has 1"),
        ({"x": [], "y": [1.0]}, None, ValueError, "column 'y' has 1 rows, 'x' has 0"),
        ({"x": [1.0]}, ["x"], TypeError, "columns is for an array or a sparse matrix"),
    ],
)
def test_columns_that_can_not_be_sent_are_named(
    rows: Any, columns: Sequence[str] | None, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match="^" + re.escape(sentence)):
        to_features(rows, columns)


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ({"x": [1, 2, 3]}, 3),
        ({"x": ["a", None]}, 2),
        ({"x": []}, 0),
        ({}, 0),
        (np.zeros((4, 2)), 4),
        (np.zeros((0, 2)), 0),
    ],
)
def test_rows_are_counted(rows: Any, count: int) -> None:
    assert read_rows(rows).count == count
