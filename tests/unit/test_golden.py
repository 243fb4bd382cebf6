"""Golden rows: read by declared types only, and compared to the bit unless a tolerance is given."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.bundles.golden import GoldenRows, compare, read_golden
from bridge.columns import Column, Type
from bridge.errors import BundleError
from bridge.features.feature import Feature
from bridge.row_files.csv_cells import Cell

FEATURES = [
    Feature("x", Type.DOUBLE),
    Feature("n", Type.INT),
    Feature("s", Type.STRING),
    Feature("f", Type.FACTOR, ("a", "b")),
    Feature("u"),
]


def write(bundle: Path, text: str) -> Path:
    (bundle / "golden.csv").write_bytes(text.encode())
    return bundle


def expecting(tmp_path: Path, *cells: str) -> GoldenRows:
    rows = "".join(f"1,{cell}\n" for cell in cells)
    golden = read_golden(write(tmp_path, "x,score.y\n" + rows), FEATURES)
    assert golden is not None
    return golden


def scores(column_type: Type, values: list[Any], missing: list[bool] | None = None) -> list[Column]:
    array = np.empty(len(values), column_type.dtype)
    array[:] = values
    return [Column("y", column_type, array, None if missing is None else np.array(missing))]


def test_no_file_is_no_golden_rows(tmp_path: Path) -> None:
    assert read_golden(tmp_path, FEATURES) is None


def test_columns_are_typed_by_the_features_and_scores_stay_cells(tmp_path: Path) -> None:
    text = 'n,score.a,s,x,f,score.b b\n1,0.5,"1",,"a","t"\n,,"",2,"b",\n'
    golden = read_golden(write(tmp_path, text), FEATURES)
    assert golden is not None
    assert golden.inputs.rows == 2
    assert [(column.name, column.type) for column in golden.inputs.columns] == [
        ("n", Type.INT),
        ("s", Type.STRING),
        ("x", Type.DOUBLE),
        ("f", Type.STRING),
    ]
    assert [column.missing().tolist() for column in golden.inputs.columns] == [
        [False, True],
        [False, False],
        [True, False],
        [False, False],
    ]
    assert golden.expected == {
        "a": [Cell("0.5", quoted=False), Cell("", quoted=False)],
        "b b": [Cell("t", quoted=True), Cell("", quoted=False)],
    }


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb"])
def test_line_ends_within_a_text_are_kept_as_they_are(tmp_path: Path, text: str) -> None:
    golden = read_golden(write(tmp_path, f's,score.y\n"{text}",1\n'), FEATURES)
    assert golden is not None
    assert golden.inputs.columns[0].values.tolist() == [text]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no row in it"),
        ("x,score.y\n", "there is no row in it"),
        ("x,score.y\n1\n", "row 2 (the header is row 1): it has 1 cells, the header has 2"),
        ("x,score.y\na,1\n", "column 'x', row 2 (the header is row 1): not of type double"),
        ('x,score.y\n1,1\n"2",1\n', "column 'x', row 3 (the header is row 1): not of type double"),
        ("u,score.y\n1,1\n", "column 'u' has no type; declare it in [features]"),
        ("z,score.y\n1,1\n", "column 'z' is neither a feature of the model nor named 'score.<output>'"),
        ("x,n\n1,1\n", "there is no column 'score.<output>' in it"),
        ('x,score.y\n1,"1\n', "row 2 (the header is row 1): a quote is out of place"),
        ("x,score.y\n1,1\n\n2,2\n", "row 3 (the header is row 1): the row is empty"),
        ("x,score.y,score.y\n1,2,1\n", "column 'score.y' is there twice"),
        ("x,x,score.y\n1,1,1\n", "column 'x' is there twice"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(BundleError, match=f"^golden.csv: {re.escape(sentence)}$"):
        read_golden(write(tmp_path, text), FEATURES)


def test_bytes_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "golden.csv").write_bytes(b"x,score.y\n1,\xff\n")
    with pytest.raises(BundleError, match=r"^golden\.csv: .*utf-8"):
        read_golden(tmp_path, FEATURES)


ULP = float(np.nextafter(0.1, 1))


@pytest.mark.parametrize(
    ("column_type", "cells", "values", "is_masked"),
    [
        (Type.DOUBLE, ["0.10000000000000001", ""], [0.1, np.nan], False),
        (Type.FLOAT, ["0.10000000149011612", ""], [0.1, np.nan], False),
        (Type.INT, ["3", ""], [3, 0], True),
        (Type.BOOL, ["TRUE", ""], [True, False], True),
        (Type.STRING, ['"a"', ""], ["a", ""], True),
        (Type.DOUBLE, ["Inf", "-Inf"], [np.inf, -np.inf], False),
    ],
)
def test_equal_scores_and_equal_gaps_come_out(
    tmp_path: Path, column_type: Type, cells: list[str], values: list[Any], is_masked: bool
) -> None:
    golden = expecting(tmp_path, *cells)
    for tolerance in (0.0, 0.5):
        compare(golden, scores(column_type, values, [False, True] if is_masked else None), tolerance)
        turned = scores(column_type, values[::-1], [True, False] if is_masked else None)
        with pytest.raises(BundleError, match=r"differs in 2 of 2 rows, first in row 2 \(the header is row 1\)$"):
            compare(golden, turned, tolerance)


@pytest.mark.parametrize(
    ("column_type", "cell", "value", "missing"),
    [
        (Type.DOUBLE, "0.10000000000000001", ULP, None),
        (Type.DOUBLE, "", 0.0, None),
        (Type.DOUBLE, "0", np.nan, None),
        (Type.INT, "", 0, None),
        (Type.INT, "0", 0, [True]),
        (Type.STRING, '""', "", [True]),
        (Type.STRING, "", "", None),
        (Type.BOOL, "FALSE", False, [True]),
        (Type.BOOL, "FALSE", True, None),
    ],
)
def test_the_last_bit_and_every_gap_counts(
    tmp_path: Path, column_type: Type, cell: str, value: float | str, missing: list[bool] | None
) -> None:
    with pytest.raises(BundleError, match=r"output 'y' differs in 1 of 1 rows, first in row 2 "):
        compare(expecting(tmp_path, cell), scores(column_type, [value], missing))


def test_the_rows_that_differ_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    golden = expecting(tmp_path, "1", "2", "3", "4")
    with pytest.raises(BundleError, match=r"output 'y' differs in 2 of 4 rows, first in row 3 "):
        compare(golden, scores(Type.DOUBLE, [1.0, 2.5, 3.0, np.nan]))


def test_a_tolerance_is_an_absolute_difference_of_numbers(tmp_path: Path) -> None:
    golden = expecting(tmp_path, "1000", "0")
    compare(golden, scores(Type.DOUBLE, [1000.5, -0.5]), 0.5)
    with pytest.raises(BundleError, match=r"differs in 1 of 2 rows, first in row 2 "):
        compare(golden, scores(Type.DOUBLE, [1000.75, -0.5]), 0.5)
    with pytest.raises(BundleError, match=r"differs in 1 of 2 rows, first in row 3 "):
        compare(golden, scores(Type.DOUBLE, [1000.0, np.nan]), 0.5)


def test_a_tolerance_is_for_whole_numbers_too(tmp_path: Path) -> None:
    compare(expecting(tmp_path, "2147483647", "5"), scores(Type.INT, [2147483646, 6]), 1.0)


@pytest.mark.parametrize(
    ("column_type", "cell", "values"), [(Type.STRING, '"a"', ["a", "b"]), (Type.BOOL, "FALSE", [False, True])]
)
def test_a_tolerance_says_nothing_of_what_is_no_number(
    tmp_path: Path, column_type: Type, cell: str, values: list[Any]
) -> None:
    golden = expecting(tmp_path, cell)
    compare(golden, scores(column_type, values[:1]), 100.0)
    with pytest.raises(BundleError, match="differs in 1 of 1 rows"):
        compare(golden, scores(column_type, values[1:]), 100.0)


def test_the_mark_that_excel_begins_a_file_with_is_no_part_of_a_name(tmp_path: Path) -> None:
    golden = read_golden(write(tmp_path, "\ufeffx,score.y\n1,1\n"), FEATURES)
    assert golden is not None
    assert [column.name for column in golden.inputs.columns] == ["x"]


def test_expected_scores_of_another_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"score\.y is not of the output's type: column 'y', row 3 .*: not of type double"
    ):
        compare(expecting(tmp_path, "1", '"1"'), scores(Type.DOUBLE, [1.0, 1.0]))


@pytest.mark.parametrize("names", [[], ["z"], ["y", "z"]])
def test_other_outputs_than_expected_are_refused(tmp_path: Path, names: list[str]) -> None:
    columns = [Column(name, Type.DOUBLE, np.ones(1)) for name in names]
    with pytest.raises(BundleError, match=re.escape(f"expects the outputs ['y'], the model gives {names}")):
        compare(expecting(tmp_path, "1"), columns)
