"""What a predict function may return: each form to the bit, and what to return instead of all others."""

import enum
import math
import struct
import warnings
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scorebridge.runner.conditions import Malformed
from scorebridge.runner.outputs import joined, one_row, outputs_of
from scorebridge.runner.vectors import Vector

PAYLOAD = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_1234))[0]  # a NaN that tells more than that
ODD = [-0.0, math.inf, -math.inf, PAYLOAD, 5e-324, 1.7976931348623157e308]
LEAST, MOST = -(2**63), 2**63 - 1


class Color(str, enum.Enum):  # noqa: UP042 - models that are older than StrEnum have this
    """A text that says something else of itself."""

    RED = "red"


class Level(enum.IntEnum):
    """A whole number with a name."""

    LOW = 1


class Pair(NamedTuple):
    """Two scores."""

    first: float
    second: float


def listed(vector: Vector) -> list[Any]:
    found: list[Any] = vector.values.tolist()  # noqa: PD011 - not a series
    return found


def matrix(rows: Any) -> Any:
    with warnings.catch_warnings(action="ignore"):
        return np.matrix(rows)


def said(vector: Vector) -> tuple[str, str, list[Any]]:
    """Of an output: its name, its type, and its values, with None where one is missing; of doubles their bits."""
    values = listed(vector)
    if vector.type in {"double", "float"}:
        values = [struct.pack("<d", value).hex() for value in values]
    if vector.mask is not None:
        values = [None if gone else value for value, gone in zip(values, vector.mask, strict=True)]
    return vector.name, vector.type, values


def bits(values: list[float]) -> list[str]:
    return [struct.pack("<d", value).hex() for value in values]


def strings(*values: Any, dtype: Any = None) -> Any:
    return pd.Series(list(values), dtype=dtype)


@pytest.mark.parametrize(
    ("prediction", "kind", "values"),
    [
        (np.array(ODD), "double", bits(ODD)),
        (np.array(ODD, ">f8"), "double", bits(ODD)),
        (np.array(ODD)[::-1][::-1], "double", bits(ODD)),
        (np.asfortranarray(np.array([ODD]).T), "double", bits(ODD)),
        (ODD, "double", bits(ODD)),
        (tuple(ODD), "double", bits(ODD)),
        (list(np.array(ODD)), "double", bits(ODD)),
        (np.array(ODD, object), "double", bits(ODD)),
        (pd.Series(ODD), "double", bits(ODD)),
        (pl.Series(ODD), "double", bits(ODD)),
        (matrix(ODD).T, "double", bits(ODD)),
        (pd.DataFrame({"score": ODD}), "double", bits(ODD)),
        (pl.DataFrame({"score": ODD}), "double", bits(ODD)),
        ({"score": np.array(ODD)}, "double", bits(ODD)),
        (OrderedDict(score=ODD), "double", bits(ODD)),
        ({"score": np.array([ODD]).T}, "double", bits(ODD)),
        (np.array([0.1, -0.0], np.float32), "float", bits([float(np.float32(0.1)), -0.0])),
        ([np.float32(0.1), np.float32(-0.0)], "float", bits([float(np.float32(0.1)), -0.0])),
        (pl.Series([0.1, -0.0], dtype=pl.Float32), "float", bits([float(np.float32(0.1)), -0.0])),
        (np.array([LEAST, MOST]), "int64", [LEAST, MOST]),
        ([LEAST, MOST], "int64", [LEAST, MOST]),
        (np.array([LEAST, MOST], object), "int64", [LEAST, MOST]),
        (pd.Series([LEAST, MOST]), "int64", [LEAST, MOST]),
        (pd.Series([LEAST, None, MOST], dtype="Int64"), "int64", [LEAST, None, MOST]),
        (pd.Series([LEAST, None, MOST], dtype=pd.ArrowDtype(pa.int64())), "int64", [LEAST, None, MOST]),
        (pl.Series([LEAST, None, MOST]), "int64", [LEAST, None, MOST]),
        ([LEAST, None, MOST], "int64", [LEAST, None, MOST]),
        ([np.int64(LEAST), MOST, np.int8(1)], "int64", [LEAST, MOST, 1]),
        ([Level.LOW, 2], "int64", [1, 2]),
        (np.array([0, 2**32 - 1], np.uint32), "int64", [0, 2**32 - 1]),
        (np.array([-128, 127], np.int8), "int", [-128, 127]),
        (np.array([0, 65535], np.uint16), "int", [0, 65535]),
        (np.array([-(2**31), 2**31 - 1], np.int32), "int", [-(2**31), 2**31 - 1]),
        (pl.Series([1, None], dtype=pl.UInt8), "int", [1, None]),
        (np.array([True, False]), "bool", [True, False]),
        ([True, None, np.bool_(False)], "bool", [True, None, False]),
        (pd.Series([True, None], dtype="boolean"), "bool", [True, None]),
        (pl.Series([True, None]), "bool", [True, None]),
        (np.array(["", "😀", "a\0b"]), "string", ["", "😀", "a\0b"]),
        (np.array(["", "😀", "a\0b\0"], np.dtypes.StringDType()), "string", ["", "😀", "a\0b\0"]),
        (["", "😀", "a\0b\0", None, math.nan], "string", ["", "😀", "a\0b\0", None, None]),
        (["red", Color.RED, np.str_("red")], "string", ["red", "red", "red"]),
        (strings("a", None, ""), "string", ["a", None, ""]),
        (strings("a", math.nan, dtype=object), "string", ["a", None]),
        (strings("a", pd.NA, dtype="string"), "string", ["a", None]),
        (strings("a", None, "a", dtype="category"), "string", ["a", None, "a"]),
        (strings("a", None, dtype=pd.ArrowDtype(pa.string())), "string", ["a", None]),
        (strings(2, 1, 2, dtype="category"), "int64", [2, 1, 2]),
        (pl.Series(["a", None, ""]), "string", ["a", None, ""]),
        (pl.Series(["a", None], dtype=pl.Categorical), "string", ["a", None]),
        (pl.Series(["a", None], dtype=pl.Enum(["a"])), "string", ["a", None]),
        (pd.Series([0.5, None], dtype="Float64"), "double", bits([0.5, math.nan])),
        ([0.5, None, pd.NA], "double", bits([0.5, math.nan, math.nan])),
        ([math.nan, math.nan], "double", bits([math.nan, math.nan])),
        ([np.float32("nan")], "float", bits([math.nan])),
        (pl.Series([0.5, None]), "double", bits([0.5, math.nan])),
        (Pair(0.5, 0.25), "double", bits([0.5, 0.25])),
    ],
)
def test_one_output_to_the_bit(prediction: Any, kind: str, values: list[Any]) -> None:
    (vector,) = outputs_of(prediction, len(values))
    assert said(vector) == ("score", kind, values)


@pytest.mark.parametrize(
    "prediction",
    [
        [None, None],
        np.array([None, None]),
        np.array([pd.NA, None]),
        pd.Series([None, None], dtype=object),
        pd.Series([math.nan, math.nan], dtype=object),
        pd.Series([None, None], dtype="str"),
        pd.Series([None, None], dtype="string"),
        pd.Series([None, None], dtype="category"),
        pl.Series([None, None]),
        pl.Series([None, None], dtype=pl.String),
    ],
)
def test_what_is_all_missing_says_nothing_of_its_type(prediction: Any) -> None:
    (vector,) = outputs_of(prediction, 2)
    assert said(vector) == ("score", "bool", [None, None])


MATRIX = np.array([[0.25, 0.75], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("prediction", "names"),
    [
        (MATRIX, ["score_1", "score_2"]),
        (matrix(MATRIX), ["score_1", "score_2"]),
        ({"p": MATRIX}, ["p.1", "p.2"]),
        ({"p": matrix(MATRIX)}, ["p.1", "p.2"]),
        ({"no": MATRIX[:, 0], "yes": MATRIX[:, 1]}, ["no", "yes"]),
        (pd.DataFrame(MATRIX, columns=["no", "yes"]), ["no", "yes"]),
        (pl.DataFrame(MATRIX, schema=["no", "yes"]), ["no", "yes"]),
        ({"no": list(MATRIX[:, 0]), "yes": pl.Series(MATRIX[:, 1])}, ["no", "yes"]),
    ],
)
def test_two_outputs(prediction: Any, names: list[str]) -> None:
    vectors = outputs_of(prediction, 2)
    assert [vector.name for vector in vectors] == names
    assert [listed(vector) for vector in vectors] == [[0.25, 1.0], [0.75, 0.0]]


def test_one_row_of_many_outputs_is_a_matrix() -> None:
    assert [listed(vector) for vector in outputs_of(np.array([[1.0, 2.0]]), 1)] == [[1.0], [2.0]]


def test_wide_whole_numbers_of_polars_are_taken_where_they_fit() -> None:
    assert said(outputs_of(pl.Series([1, None], dtype=pl.Int128), 2)[0]) == ("score", "int64", [1, None])


# A single row may be scored by a function that knows of no rows.


@pytest.mark.parametrize("score", [0.5, np.float64(0.5), np.array(0.5), [0.5], np.array([0.5]), np.array([[0.5]])])
def test_a_score_of_a_single_row_may_be_alone(score: Any) -> None:
    for prediction in (score, {"score": score}):
        assert said(outputs_of(one_row(prediction), 1)[0]) == ("score", "double", bits([0.5]))


@pytest.mark.parametrize(
    ("score", "kind"),
    [(True, "bool"), (7, "int64"), ("a", "string"), (np.float32(1), "float"), (np.array(1, np.float32), "float")],
)
def test_a_score_that_is_alone_keeps_its_type(score: Any, kind: str) -> None:
    assert outputs_of(one_row(score), 1)[0].type == kind


@pytest.mark.parametrize("prediction", [None, 1j, object(), b"a"])
def test_not_everything_alone_is_a_score(prediction: Any) -> None:
    with pytest.raises(Malformed):
        outputs_of(one_row(prediction), 1)


def rows_of(*predictions: Any) -> list[list[Vector]]:
    return [outputs_of(one_row(prediction), 1) for prediction in predictions]


def test_single_rows_are_joined_with_the_missing_ones_among_them() -> None:
    found = joined(rows_of({"label": None, "p": 0.5}, {"label": "a", "p": None}, {"label": "b", "p": -0.0}))
    assert list(map(said, found)) == [
        ("label", "string", [None, "a", "b"]),
        ("p", "double", bits([0.5, math.nan, -0.0])),
    ]
    assert said(joined(rows_of({"a": None}, {"a": None}))[0]) == ("a", "bool", [None, None])
    assert said(joined(rows_of({"a": None}, {"a": True}))[0]) == ("a", "bool", [None, True])
    assert said(joined(rows_of(MOST, LEAST))[0]) == ("score", "int64", [MOST, LEAST])


def test_single_rows_of_other_names_or_types_are_refused_by_the_row() -> None:
    with pytest.raises(Malformed, match=r"^row 1 gave outputs of other names than row 0$"):
        joined(rows_of({"a": 1.0}, {"b": 1.0}))
    with pytest.raises(Malformed, match=r"^row 2 gave the output 'a' as string, and rows before it as double$"):
        joined(rows_of({"a": None}, {"a": 1.0}, {"a": "x"}))
    with pytest.raises(Malformed, match="no row"):
        joined([])
