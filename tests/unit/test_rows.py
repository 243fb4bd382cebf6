"""The client's rows: every form that people hold them in, as the same messages; what no model takes is refused."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
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
        (np.array([[1, 2], [3, 255]], np.uint8), "doubles"),
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


def test_whole_numbers_that_no_double_holds_are_not_changed_on_the_way() -> None:
    with pytest.raises(ValueError, match=r"2\^53|whole number"):
        to_features(np.array([[2**53 + 1]]))


@pytest.mark.parametrize(
    ("array", "columns", "kind", "sentence"),
    [
        (np.zeros(3), None, ValueError, "an array of rows has shape (rows, columns), not (3,)"),
        (np.zeros((1, 2, 3)), None, ValueError, "an array of rows has shape (rows, columns), not (1, 2, 3)"),
        (np.zeros((1, 2)), ["a"], ValueError, "1 names for 2 columns"),
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
    assert names_of(pd.DataFrame([[1, 2]])) == ["0", "1"]


def test_a_frame_of_a_class_derived_from_the_library_s_is_a_frame() -> None:
    class Patients(pd.DataFrame):
        """Of a caller's own."""

    class Visits(pl.DataFrame):
        """Likewise."""

    assert names_of(Patients({"x": [1.0]})) == names_of(Visits({"x": [1.0]})) == ["x"]


@pytest.mark.parametrize(
    "rows", [[1, 2], [{"a": 1}], "rows", None, pd.Series([1.0], name="a"), pl.Series("a", [1.0]), pa.array([1.0])]
)
def test_rows_of_an_unknown_form_are_refused(rows: Any) -> None:
    with pytest.raises(TypeError, match=f"^rows can't be a {type(rows).__name__}: pass a frame"):
        to_features(rows)


@pytest.mark.parametrize(
    ("rows", "columns", "kind", "sentence"),
    [
        ({"x": [2**63]}, None, ValueError, "column 'x': a whole number beyond 64 bits"),
        ({"x": np.array([2**63], np.uint64)}, None, ValueError, "column 'x': a whole number beyond 64 bits"),
        ({"x": np.zeros((1, 2))}, None, ValueError, "column 'x' has 2 dimensions"),
        ({"x": np.array(1.0)}, None, ValueError, "column 'x' has 0 dimensions"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), None, ValueError, "two columns of the frame have the same name"),
        ({"x": [10**400, 1.5]}, None, ValueError, "column 'x': a number beyond those of a double"),
        ({"x": ["\ud800"]}, None, ValueError, "column 'x': half of a surrogate pair"),
        ({"\ud800": [1.0]}, None, ValueError, "column '\\ud800': half of a surrogate pair"),
        (pl.DataFrame({"x": [2**70]}, schema={"x": pl.Int128}), None, ValueError, "column 'x': a whole number beyond"),
        ({"x": [1.0], "y": [1.0, 2.0]}, None, ValueError, "column 'y' has 2 rows, 'x' has 1"),
        ({"x": [], "y": [1.0]}, None, ValueError, "column 'y' has 1 rows, 'x' has 0"),
        ({"x": [1.0]}, ["x"], TypeError, "columns= names the columns of a numpy array"),
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
