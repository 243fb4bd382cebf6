"""What a predict function gets of each type, with missing values and without: arrays by name, or a frame."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scorebridge.runner.arguments import arrays, frame
from scorebridge.runner.vectors import DTYPES, Vector

MASK = np.array([False, True, False])
LEAST, MOST = -(2**63), 2**63 - 1


def vector(kind: str, values: list[Any], *, masked: bool = False, ordered: bool = False) -> Vector:
    array = np.empty(len(values), DTYPES[kind])
    array[:] = values
    levels = ("low", "high", "none") if kind == "factor" else ()
    return Vector("x", kind, array, MASK.copy() if masked else None, levels, ordered)


def listed(values: Any) -> list[Any]:
    """The values, with a word for NaN, which is not equal to itself."""
    return ["NaN" if isinstance(one, float) and math.isnan(one) else one for one in values.tolist()]


CASES = [
    ("double", [0.5, math.nan, -0.0], False, "float64", [0.5, "NaN", -0.0]),
    ("float", [0.5, math.nan, 0.1], False, "float64", [0.5, "NaN", float(np.float32(0.1))]),
    ("int", [-(2**31), 0, 2**31 - 1], False, "int64", [-(2**31), 0, 2**31 - 1]),
    ("int", [1, 0, 2], True, "float64", [1.0, "NaN", 2.0]),
    ("int64", [LEAST, 0, MOST], False, "int64", [LEAST, 0, MOST]),
    ("int64", [2**53, 0, -(2**53)], True, "float64", [2.0**53, "NaN", -(2.0**53)]),
    ("bool", [True, False, False], False, "bool", [True, False, False]),
]


@pytest.mark.parametrize(("kind", "values", "masked", "dtype", "given"), CASES)
def test_numbers_are_the_same_in_arrays_and_in_a_frame(
    kind: str, values: list[Any], masked: bool, dtype: str, given: list[Any]
) -> None:
    sent = vector(kind, values, masked=masked)
    array = arrays([sent])["x"]
    assert (str(array.dtype), listed(array)) == (dtype, given)
    array[0] = array[1]  # a function may write to its arguments
    series = frame([vector(kind, values, masked=masked)], 3)["x"]
    assert (str(series.dtype), listed(series)) == (dtype, given)


def test_truth_and_text_that_are_missing() -> None:
    truths, texts = vector("bool", [True, False, False], masked=True), vector("string", ["", "", "😀\0"], masked=True)
    given = arrays([truths._replace(name="t"), texts])
    assert given["t"].dtype == given["x"].dtype == object
    assert given["t"].tolist() == [True, None, False]
    assert given["t"][0] is True
    assert given["x"].tolist() == ["", None, "😀\0"]
    texts = vector("string", ["", "", "😀\0"], masked=True)
    given = frame([truths._replace(name="t"), texts], 3)
    assert given["t"].dtype == object
    assert listed(given["t"]) == [True, "NaN", False]
    assert given["x"].dtype == pd.Series(["text"]).dtype
    assert listed(given["x"]) == ["", "NaN", "😀\0"]


def test_text_has_its_type_also_if_all_of_it_is_missing() -> None:
    texts = Vector("x", "string", np.array(["", ""], object), np.ones(2, np.bool_))
    series = frame([texts], 2)["x"]
    assert series.dtype == pd.Series(["text"]).dtype
    assert listed(series) == ["NaN", "NaN"]


@pytest.mark.parametrize("ordered", [False, True])
def test_a_factor_is_text_in_arrays_and_categories_in_a_frame(ordered: bool) -> None:
    plain, masked = vector("factor", [1, 0, 1], ordered=ordered), vector("factor", [1, 0, 1], masked=True)
    assert arrays([plain])["x"].tolist() == ["high", "low", "high"]
    assert arrays([masked])["x"].tolist() == ["high", None, "high"]
    given = frame([plain, masked._replace(name="y")], 3)
    assert given["x"].dtype == pd.CategoricalDtype(["low", "high", "none"], ordered=ordered)
    assert given["x"].tolist() == ["high", "low", "high"]
    assert given["y"].cat.codes.tolist() == [1, -1, 1]
    nothing = Vector("x", "factor", np.zeros(2, DTYPES["factor"]), np.ones(2, np.bool_))
    assert arrays([nothing])["x"].tolist() == [None, None]


def test_a_frame_of_doubles_alone_is_the_one_that_columns_make() -> None:
    values = np.array([[0.5, -0.0, math.nan], [1.0, math.inf, 5e-324]])
    doubles = [Vector(f"c{place}", "double", row.copy()) for place, row in enumerate(values)]
    fast = frame(doubles, 3)
    general = frame([*doubles, Vector("last", "int", np.zeros(3, DTYPES["int"]))], 3).drop(columns="last")
    pd.testing.assert_frame_equal(fast, general, check_exact=True, check_flags=True, check_column_type=True)
    assert fast.to_numpy().tobytes() == general.to_numpy().tobytes() == values.T.tobytes()
    assert isinstance(fast.index, pd.RangeIndex)
    fast.loc[0, "c0"] = 7.0
    assert doubles[0].values[0] == 0.5  # noqa: PD011 - not a series


def test_the_columns_and_rows_of_a_frame() -> None:
    sent = [vector("int", [1, 2, 3])._replace(name=name) for name in ("b", "a", "sum", "index")]
    given = frame(sent, 3)
    assert list(given) == ["b", "a", "sum", "index"]
    assert given.index.tolist() == [0, 1, 2]
    assert frame([], 3).shape == (3, 0)
    assert list(arrays(sent)) == ["b", "a", "sum", "index"]
