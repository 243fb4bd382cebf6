"""A column in every form that people hold one in, as the same message; what is none is refused by its name."""

import datetime as dt
import fractions
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row_messages import to_features
from scorebridge.columns import column_rows
from scorebridge.v1 import scoring_pb2 as pb

Sent = tuple[str, list[Any], list[int]]


def table(rows: Any) -> dict[str, Sent]:
    message = to_features(rows)
    assert isinstance(message, pb.Table)
    assert len({column.name for column in message.columns}) == len(message.columns)
    return {column.name: sent(column) for column in message.columns}


def sent(column: pb.Column) -> Sent:
    """The kind, the values of the rows that have one, and the rows that are missing, be it by NaN."""
    kind = column.WhichOneof("values")
    assert kind is not None
    values = list(getattr(column, kind).values)
    missing = {*column.missing_rows, *(row for row, value in enumerate(values) if value != value)}  # noqa: PLR0124
    return kind, [value for row, value in enumerate(values) if row not in missing], sorted(missing)


ARRAYS: list[tuple[np.ndarray[Any, Any], Sent]] = [
    (np.array([1.5, np.nan]), ("doubles", [1.5], [1])),
    (np.array([1.5, np.nan], np.float32), ("floats", [1.5], [1])),
    (np.array([1.5, np.nan], np.float16), ("floats", [1.5], [1])),
    (np.array([1, -2], np.int8), ("int32s", [1, -2], [])),
    (np.array([1, 255], np.uint8), ("int32s", [1, 255], [])),
    (np.array([1, 65535], np.uint16), ("int32s", [1, 65535], [])),
    (np.array([-(2**31), 2**31 - 1], np.int32), ("int32s", [-(2**31), 2**31 - 1], [])),
    (np.array([1, 2**32 - 1], np.uint32), ("int64s", [1, 2**32 - 1], [])),
    (np.array([-(2**63), 2**63 - 1]), ("int64s", [-(2**63), 2**63 - 1], [])),
    (np.array([1, 2**63 - 1], np.uint64), ("int64s", [1, 2**63 - 1], [])),
    (np.array([1, 2**63], np.uint64), ("doubles", [1.0, 2.0**63], [])),
    (np.array([1.5, np.nan], np.longdouble), ("doubles", [1.5], [1])),
    (np.array([True, False]), ("bools", [True, False], [])),
    (np.array(["a", ""]), ("strings", ["a", ""], [])),
    (np.array(["a", None], object), ("strings", ["a"], [1])),
    (np.array([1, None], object), ("int64s", [1], [1])),
    (np.arange(6)[::3], ("int64s", [0, 3], [])),
    (np.array([], object), ("doubles", [], [])),
]


@pytest.mark.parametrize(("array", "expected"), ARRAYS)
def test_arrays_in_a_dict_keep_their_type(array: np.ndarray[Any, Any], expected: Sent) -> None:
    assert table({"x": array}) == {"x": expected}


NAN = float("nan")
LISTS: list[tuple[Any, Sent]] = [
    ([1.5, None, NAN], ("doubles", [1.5], [1, 2])),
    ([1, None, 2**63 - 1], ("int64s", [1, 2**63 - 1], [1])),
    ([1, 2.5], ("doubles", [1.0, 2.5], [])),
    ([2**63, None, -(2**100)], ("doubles", [2.0**63, -(2.0**100)], [1])),
    ([2**53, 2.5, fractions.Fraction(1, 4)], ("doubles", [2.0**53, 2.5, 0.25], [])),
    ([np.uint64(2**64 - 2**11), np.int8(-1)], ("doubles", [2.0**64 - 2**11, -1.0], [])),
    ([True, None, np.bool_(False)], ("bools", [True, False], [1])),
    (["a", None, "", NAN, pd.NA, pd.NaT], ("strings", ["a", ""], [1, 3, 4, 5])),
    ([None, NAN], ("doubles", [], [0, 1])),
    ([], ("doubles", [], [])),
    ((1, 2), ("int64s", [1, 2], [])),
    (range(3), ("int64s", [0, 1, 2], [])),
    ([np.int8(1), np.uint64(2)], ("int64s", [1, 2], [])),
    ([np.float32(0.1), None], ("doubles", [float(np.float32(0.1))], [1])),
    (pd.Series([1, None], dtype="Int64"), ("int64s", [1], [1])),
    (pl.Series([1, None], dtype=pl.Int64), ("int64s", [1], [1])),
    (pa.array([1, None]), ("int64s", [1], [1])),
    (pd.Index(["a", "b"]), ("strings", ["a", "b"], [])),
    (pd.Index([1, 2], dtype=np.int32), ("int32s", [1, 2], [])),
    (pd.Index([1, None], dtype="Int64"), ("int64s", [1], [1])),
    (pd.Categorical(["a", None]), ("strings", ["a"], [1])),
    (pd.CategoricalIndex(["a", None]), ("strings", ["a"], [1])),
    (pd.array([1, None]), ("int64s", [1], [1])),
    (pd.array([0.5, None]), ("doubles", [0.5], [1])),
    (pd.array(["a", None]), ("strings", ["a"], [1])),
    (pd.array([True, None]), ("bools", [True], [1])),
    (pd.arrays.SparseArray([0.5, np.nan]), ("doubles", [0.5], [1])),
    ((value for value in (1.5, None)), ("doubles", [1.5], [1])),
    ({"a": 1, "b": 2}.values(), ("int64s", [1, 2], [])),
]


@pytest.mark.parametrize(("values", "expected"), LISTS)
def test_columns_of_python_values_are_typed_by_what_they_hold(values: Any, expected: Sent) -> None:
    assert table({"x": values}) == {"x": expected}


@given(
    st.one_of(
        st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=6),
        st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), min_size=1, max_size=6),
        st.lists(st.one_of(st.none(), st.booleans()), min_size=1, max_size=6),
        st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1, max_size=6),
    ).filter(lambda values: any(value is not None for value in values))
)
@settings(max_examples=50, deadline=None)
def test_every_library_s_columns_are_sent_alike(values: list[float | bool | str | None]) -> None:
    expected = table({"x": values})["x"]
    assert expected[1] == [value for value in values if value is not None]
    nullable = {int: "Int64", float: "Float64", bool: "boolean", str: "string"}
    kind = next(type(value) for value in values if value is not None)
    frames: list[Any] = [
        pd.DataFrame({"x": values}, dtype=nullable[kind]),
        pd.DataFrame({"x": pd.Series(values, dtype=object)}),
        pl.DataFrame({"x": values}, strict=False),
        pa.table({"x": values}),
        pa.RecordBatch.from_pydict({"x": values}),
    ]
    for frame in frames:
        assert table(frame) == {"x": expected}


ID = 2**53 + 1  # the first whole number that a double rounds

PANDAS: list[tuple[Any, Sent]] = [
    (pd.array([1, None], dtype="Int8"), ("int32s", [1], [1])),
    (pd.array([1, None], dtype="UInt32"), ("int64s", [1], [1])),
    (pd.array([0.5, None], dtype="Float32"), ("floats", [0.5], [1])),
    (pd.array([1, None], dtype="int64[pyarrow]"), ("int64s", [1], [1])),
    (pd.array(["a", None], dtype="string[pyarrow]"), ("strings", ["a"], [1])),
    (pd.Categorical(["a", None], categories=["b", "a"]), ("strings", ["a"], [1])),
    (pd.Categorical([7, None]), ("int64s", [7], [1])),
    (pd.Categorical([None, None], pd.Index([ID])), ("int64s", [], [0, 1])),
    (pd.Categorical([ID, None], pd.Index([ID, 2**63 + 1], dtype="UInt64")), ("int64s", [ID], [1])),
    (pd.Categorical([7, None], pd.Index([7], dtype=np.int16)), ("int32s", [7], [1])),
    (pd.Categorical([0.5, None], pd.Index([0.5], dtype=np.float32)), ("floats", [0.5], [1])),
    (pd.Categorical([True, None], pd.Index([True, False])), ("bools", [True], [1])),
    (pd.Categorical(["a", None], pd.Index(["a", 1], dtype=object)), ("strings", ["a"], [1])),
    (pd.Categorical(["é", None], pd.Index(["é"], dtype="string[pyarrow]")), ("strings", ["é"], [1])),
    (pd.Categorical([None], pd.Index([])), ("doubles", [], [0])),
    (pd.array([ID, None], dtype="uint64[pyarrow]"), ("int64s", [ID], [1])),
    (pd.Series(["a", None]), ("strings", ["a"], [1])),
    (pd.Series([0.5, None]), ("doubles", [0.5], [1])),
    (pd.Series([True, False]), ("bools", [True, False], [])),
    (pd.Series([5, 6], index=[9, 8], dtype=np.int32), ("int32s", [5, 6], [])),
    (pd.arrays.SparseArray([0.5, np.nan]), ("doubles", [0.5], [1])),
]


@pytest.mark.parametrize(("values", "expected"), PANDAS)
def test_pandas_columns(values: Any, expected: Sent) -> None:
    assert table(pd.DataFrame({"x": values})) == {"x": expected}


POLARS: list[tuple[pl.Series, Sent]] = [
    (pl.Series([1, None, 3], dtype=pl.UInt8), ("int32s", [1, 3], [1])),
    (pl.Series([0.5, None, NAN], dtype=pl.Float32), ("floats", [0.5], [1, 2])),
    (pl.Series(["a", None], dtype=pl.Categorical), ("strings", ["a"], [1])),
    (pl.Series(["a", None], dtype=pl.Enum(["b", "a"])), ("strings", ["a"], [1])),
    (pl.Series([True, None]), ("bools", [True], [1])),
    (pl.Series([None, None]), ("doubles", [], [0, 1])),
    (pl.Series([5, None], dtype=pl.Int128), ("int64s", [5], [1])),
    (pl.Series([ID, None], dtype=pl.UInt64), ("int64s", [ID], [1])),
    (pl.Series([2**63, None], dtype=pl.UInt64), ("doubles", [2.0**63], [1])),
    (pl.concat([pl.Series([1]), pl.Series([2])], rechunk=False), ("int64s", [1, 2], [])),
]


@pytest.mark.parametrize(("series", "expected"), POLARS)
def test_polars_columns(series: pl.Series, expected: Sent) -> None:
    assert table(pl.DataFrame({"x": series})) == {"x": expected}


ARROW: list[tuple[Any, Sent]] = [
    (pa.array([1, None], pa.int32()), ("int64s", [1], [1])),
    (pa.array([1, 2], pa.int32()), ("int32s", [1, 2], [])),
    (pa.array([0.5, None], pa.float32()), ("doubles", [0.5], [1])),
    (pa.array([0.5, NAN]), ("doubles", [0.5], [1])),
    (pa.array(["a", None, "b"]).dictionary_encode(), ("strings", ["a", "b"], [1])),
    (pa.array(["a", "b", "a"]).dictionary_encode(), ("strings", ["a", "b", "a"], [])),
    (pa.array(["a", "é"], pa.large_string()), ("strings", ["a", "é"], [])),
    (pa.array([True, False]), ("bools", [True, False], [])),
    (pa.array([True, None]), ("bools", [True], [1])),
    (pa.nulls(2), ("doubles", [], [0, 1])),
    (pa.array([2**63, None], pa.uint64()), ("doubles", [2.0**63], [1])),
    (pa.chunked_array([[1], [2, None]]), ("int64s", [1, 2], [2])),
    (pa.chunked_array([], pa.int64()), ("int64s", [], [])),
]


@pytest.mark.parametrize(("values", "expected"), ARROW)
def test_pyarrow_columns(values: Any, expected: Sent) -> None:
    assert table(pa.table({"x": values})) == {"x": expected}


DAY = dt.date(2020, 1, 1)
NOON = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
NO_MODEL_TAKES: list[tuple[str, Any]] = [
    ("pandas datetime", pd.DataFrame({"x": pd.to_datetime(["2020-01-01"])})),
    ("pandas datetime with a zone", pd.DataFrame({"x": pd.to_datetime(["2020-01-01"], utc=True)})),
    ("pandas timedelta", pd.DataFrame({"x": pd.to_timedelta([1], unit="s")})),
    ("pandas period", pd.DataFrame({"x": pd.period_range("2020", periods=1, freq="D")})),
    (
        "pandas datetime of pyarrow",
        pd.DataFrame({"x": pd.Series([NOON], dtype=pd.ArrowDtype(pa.timestamp("ns", "UTC")))}),
    ),
    ("polars date", pl.DataFrame({"x": [DAY]})),
    ("polars duration", pl.DataFrame({"x": [MINUTE]})),
    ("polars list", pl.DataFrame({"x": [[1, 2]]})),
    ("pyarrow date", pa.table({"x": [DAY]})),
    ("pyarrow timestamp", pa.table({"x": [NOON]})),
    ("pyarrow duration", pa.table({"x": pa.array([MINUTE], pa.duration("us"))})),
    ("pyarrow duration in ns", pa.table({"x": pa.array([MINUTE], pa.duration("ns"))})),
    ("pyarrow binary", pa.table({"x": [b"a"]})),
    ("numpy datetime", {"x": np.array(["2020-01-01"], "M8[D]")}),
    ("numpy timedelta", {"x": np.array([5], "m8[s]")}),
    ("numpy timedelta in ns", {"x": np.array([5], "m8[ns]")}),
    ("complex numbers", {"x": np.array([1j])}),
    ("bytes", {"x": [b"a"]}),
    ("text and numbers", {"x": ["a", 1]}),
    ("truth values and numbers", {"x": [True, 1]}),
    ("dicts", {"x": [{"a": 1}]}),
    ("pandas times in an index", {"x": pd.date_range("2020", periods=1)}),
    ("a bytes", {"x": b"abc"}),
    ("a set", {"x": {1, 2}}),
    ("a dict", {"x": {0: 1.5}}),
    ("a moment of pandas", {"x": pd.Timestamp("2020-01-01")}),
    ("a scalar of pyarrow", {"x": pa.scalar(1)}),
    ("a frame of pandas", {"x": pd.DataFrame({"q": [1]})}),
    ("a frame of polars", {"x": pl.DataFrame({"q": [1]})}),
    ("a table of pyarrow", {"x": pa.table({"q": [1]})}),
]


@pytest.mark.parametrize(("kind", "rows"), NO_MODEL_TAKES, ids=[kind for kind, _ in NO_MODEL_TAKES])
def test_what_no_model_takes_is_refused_before_anything_is_sent(kind: str, rows: Any) -> None:
    with pytest.raises(TypeError, match=r"^column 'x'( holds| is|, row 0 is a) ") as raised:
        to_features(rows)
    assert kind
    assert "2020" not in str(raised.value)


MASKED: Any = np.ma.masked_array


@pytest.mark.parametrize("mask", [[False, True], [True, True]])
def test_what_numpy_masks_is_missing_or_refused_but_never_a_value(mask: list[bool]) -> None:
    masked = MASKED([1.5, 999.0], mask)
    with suppress(TypeError):
        expected = ("doubles", [1.5][: mask.count(False)], np.flatnonzero(mask).tolist())
        assert table({"x": masked})["x"] == expected
    with suppress(TypeError):
        message = to_features(masked.reshape(2, 1))
        assert isinstance(message, pb.Matrix)
        assert np.isnan(message.doubles.values).tolist() == mask


def test_a_column_without_values_counts_no_rows() -> None:
    assert column_rows(pb.Column(name="x")) == 0
