"""Golden rows on their way into a bundle: their types, golden.csv and what no feature can be."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scorebridge import BundleNotWritten
from scorebridge.authoring.declared import DeclaredFeature, stated_features
from scorebridge.authoring.features import decide_columns, decide_frame, golden_vectors
from scorebridge.authoring.golden import Golden
from scorebridge.authoring.golden_file import golden_csv, read_golden_csv
from scorebridge.authoring.session_scores import first_difference
from scorebridge.runner.vectors import Vector

from bridge.columns import Type
from bridge.row_files.csv_cells import read_cells
from bridge.row_files.csv_columns import parse_column


def decided(given: Any, **stated: Any) -> list[DeclaredFeature]:
    return decide_frame(Golden(given), stated_features(stated))


def types(given: Any, **stated: Any) -> dict[str, str]:
    return {feature.name: feature.type for feature in decided(given, **stated)}


COLUMNS: dict[str, Any] = {
    "double": np.array([0.1, np.nan]),
    "float": np.array([0.5, 2.5], np.float32),
    "int": np.array([1, 2], np.int16),
    "long": np.array([1, 2], np.int64),
    "least": np.array([-(2**31), 2], np.int32),
    "bool": np.array([True, False]),
    "text": np.array(["a", "b"]),
    "objects": np.array(["a", None], object),
    "whole": [1, None],
    "truths": [True, None],
}
TYPES = {
    "double": "double",
    "float": "double",
    "int": "int",
    "long": "int64",
    "least": "int64",
    "bool": "bool",
    "text": "string",
    "objects": "string",
    "whole": "int64",
    "truths": "bool",
}


def test_the_types_are_those_of_the_columns() -> None:
    assert types(COLUMNS) == TYPES
    frame = pd.DataFrame({name: pd.Series(values) for name, values in COLUMNS.items()}).set_axis([5, 3])
    assert types(frame.assign(whole=pd.array([1, None], "Int64"), truths=pd.array([True, None], "boolean"))) == TYPES
    assert types(pl.DataFrame({name: pl.Series(name, values) for name, values in COLUMNS.items()})) == TYPES


def test_what_is_stated_comes_first() -> None:
    assert types(COLUMNS, whole="double", float={"type": "double"})["whole"] == "double"
    size = {"type": "factor", "levels": ["s", "l"], "ordered": True, "unknown_level": "missing"}
    assert decided({"size": ["s", None]}, size=size) == [
        DeclaredFeature("size", "factor", ("s", "l"), ordered=True, unknown_level="missing")
    ]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["m", None, "f"], dtype=pd.CategoricalDtype(["f", "m"])),
        pl.Series(["m", None, "f"], dtype=pl.Enum(["f", "m"])),
    ],
    ids=["pandas", "polars"],
)
def test_a_categorical_is_a_factor_with_all_its_levels(column: Any) -> None:
    golden = Golden({"sex": column})
    (feature,) = decide_frame(golden, {})
    assert feature == DeclaredFeature("sex", "factor", ("f", "m"))
    (vector,) = golden_vectors(golden, [feature])
    assert np.array_equal(vector[2], [1, 0, 0])
    assert vector.mask.tolist() == [False, True, False]


def test_columns_are_decided_for_the_parameters_that_have_values() -> None:
    golden = Golden({"age": [1.5]})
    assert [one.name for one in decide_columns([("age", True), ("sex", False)], golden, {})] == ["age"]
    with pytest.raises(BundleNotWritten, match="golden has no column 'sex', which is a parameter of predict"):
        decide_columns([("age", True), ("sex", True)], golden, {})
    with pytest.raises(BundleNotWritten, match="'age' is not a parameter of predict; it has sex"):
        decide_columns([("sex", False)], golden, {})
    with pytest.raises(BundleNotWritten, match="'x' is not a parameter of predict"):
        decide_columns([("age", True)], golden, stated_features({"x": "double"}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "golden is NoneType: give a frame"),
        ([1], "golden is list"),
        (pl.LazyFrame({"a": [1]}), "by .collect"),
        ({}, "golden has no columns"),
        ({"a": []}, "golden has no rows"),
        ({"a": 3}, "golden column 'a' is int: give an array"),
        ({"a": [1], "b": [1, 2]}, "golden column 'b' has 2 rows, and 'a' has 1"),
        ({1: [1]}, "has a name that is int"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of the name 'a'"),
        ({"a": [dt.date(2020, 1, 1)]}, r"golden column 'a' \(list\): a feature is of float64"),
        ({"a": [1, "x"]}, "golden column 'a'"),
        ({"a": np.array([[1.0]])}, "golden column 'a'"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), r"golden column 'a' \(datetime64"),
        ({"a": np.array([2**64 - 1], np.uint64)}, r"golden column 'a' \(uint64\)"),
        ({"a": [None]}, "golden column 'a' has no value, so its type is not known"),
        ({"a": pd.Series([1, 2], dtype="category")}, "a categorical whose categories are not texts"),
    ],
)
def test_what_no_golden_rows_can_be_is_refused(given: Any, said: str) -> None:
    with pytest.raises(BundleNotWritten, match=said):
        decided(given)


@pytest.mark.parametrize(
    ("column", "kind", "said"),
    [
        ([0.5], "int", "golden column 'a', row 0: the value is no whole number"),
        ([1, 2**31], "int", "row 1: the value is no whole number from -2147483647 to 2147483647, and it is int"),
        ([None, 2**60], "int64", "row 1: the value is no whole number from -9007199254740992"),
        ([2**60 + 1], "double", "row 0: the value a double can't hold"),
        (["x"], "double", "golden column 'a' holds string, but the feature is double"),
        ([1.0], "string", "golden column 'a' holds double, but the feature is string"),
        ([1], "bool", "golden column 'a' holds int64, but the feature is bool"),
        (["s", "x"], {"type": "factor", "levels": ["s"]}, "row 1: the text is none of the factor's levels"),
    ],
)
def test_a_value_that_is_not_of_the_stated_type_is_refused(column: list[Any], kind: Any, said: str) -> None:
    golden = Golden({"a": column})
    with pytest.raises(BundleNotWritten, match=said):
        golden_vectors(golden, decide_frame(golden, stated_features({"a": kind})))


@pytest.mark.parametrize(
    "stated",
    [
        "double",
        {1: "double"},
        {"a": "number"},
        {"a": ["double"]},
        {"a": {"type": "factor"}},
        {"a": {"type": "factor", "levels": "abc"}},
        {"a": {"type": "factor", "levels": ["s", "s"]}},
        {"a": {"type": "double", "levels": ["s"]}},
        {"a": {"type": "factor", "levels": ["s"], "ordered": 1}},
        {"a": {"type": "factor", "levels": ["s"], "unknown_level": "drop"}},
    ],
)
def test_a_wrong_line_of_features_is_refused(stated: Any) -> None:
    with pytest.raises(BundleNotWritten, match=r"^features"):
        stated_features(stated)


VECTORS = [
    Vector('a,"b"', "double", np.array([0.1, np.nan, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53, 1e22, np.inf])),
    Vector("f", "float", np.array([0.1, np.nan, 1e-45, 3.4e38, 1, 2, 3, 4], np.float32)),
    Vector("i", "int", np.arange(8, dtype=np.int32) - 4),
    Vector("l", "int64", np.full(8, -(2**63)), np.arange(8) == 2),
    Vector("t", "bool", np.arange(8) % 2 == 0, np.arange(8) == 3),
    Vector(
        "s",
        "string",
        np.array(["", "a,b", 'q"', "x\ny\r\n", "", "NA", "größe 中文 🎉", " "], object),
        np.arange(8) == 4,
    ),
    Vector("k", "factor", np.zeros(8, np.int32), np.arange(8) == 1, ("", "b")),
]


def test_a_golden_file_gives_back_every_bit() -> None:
    read = read_golden_csv(golden_csv(VECTORS, []), VECTORS)
    assert first_difference(VECTORS, read) is None


def test_the_gateway_reads_a_golden_file_as_it_was_written() -> None:
    header, *rows = read_cells(golden_csv(VECTORS[:-1], [VECTORS[-1]]).decode())
    assert [cell.text for cell in header] == ['a,"b"', "f", "i", "l", "t", "s", "score.k"]
    for place, vector in enumerate(VECTORS[:-1]):
        column = parse_column(vector.name, Type(vector.type), [row[place] for row in rows])
        read = vector._replace(values=column.values, mask=column.mask)
        assert first_difference([vector], [read]) is None


def test_a_golden_file_that_no_gateway_reads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleNotWritten, match="is not UTF-8"):
        golden_csv([Vector("s", "string", np.array(["\ud800"], object))], [])
    monkeypatch.setattr("scorebridge.authoring.golden_file._MOST_BYTES", 10)
    with pytest.raises(BundleNotWritten, match=r"^golden\.csv would be larger than"):
        golden_csv(VECTORS, [])


def test_scores_differ_by_the_last_bit_or_by_what_is_missing() -> None:
    one = [Vector("score", "double", np.array([0.1, np.nan, 0.0]))]
    assert first_difference(one, [one[0]._replace(values=np.array([0.1, np.nan, 0.0]))]) is None
    for values in ([np.nextafter(0.1, 1), np.nan, 0.0], [0.1, 1.0, 0.0], [0.1, np.nan, -0.0]):
        changed = [one[0]._replace(values=np.array(values))]
        assert first_difference(one, changed) == "output 'score' differs in 1 of 3 rows"
    assert first_difference(one, [one[0]._replace(name="other")]) == "its outputs have other names"
    assert first_difference(one, [Vector("score", "int", np.zeros(3, np.int32))]) == "its outputs have other types"
    nothing = Vector("score", "string", np.full(1, "", object), np.ones(1, np.bool_))
    assert first_difference([nothing], [Vector("score", "double", np.array([np.nan]))]) is None
