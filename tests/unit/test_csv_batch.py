"""What of a CSV file is sent as features and as row keys, what comes back, and how rows are told."""

import re
from pathlib import Path
from typing import Any

import pytest
from scorebridge import Feature

from bridge.cli.csv_batch import CsvBatch, Echo, read_batch
from bridge.row_files.csv_cells import Cell
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.csv_file import read_csv
from bridge.row_files.csv_text import TextError


def feature(name: str, column_type: str = "DOUBLE", levels: tuple[str, ...] = ()) -> Feature:
    unknown_level = "refuse" if levels else ""
    return Feature(name, column_type, levels, required=True, ordered=False, unknown_level=unknown_level)


FEATURES = [feature("x"), feature("n", "INT"), feature("s", "STRING"), feature("f", "FACTOR", ("a", "NA"))]
HEADER = "x,n,s,f\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the file."""
    return tmp_path / "in.csv"


def batch(
    path: Path,
    text: str,
    echo: Echo | None = None,
    features: list[Feature] | None = None,
    dialect: Dialect | None = None,
) -> CsvBatch:
    path.write_bytes(text.encode())
    return read_batch(read_csv(path, dialect or Dialect()), FEATURES if features is None else features, echo or Echo())


def refusal(*arguments: Any, **named: Any) -> str:
    with pytest.raises(TextError) as raised:
        batch(*arguments, **named)
    return raised.value.in_full()


def listed(one: CsvBatch) -> dict[str, list[Any]]:
    return {name: list(values) for name, values in one.columns.items()}


def test_columns_are_sent_by_the_model_s_types(path: Path) -> None:
    sent = batch(path, HEADER + '1.0,1.0,1.0,a\nNA,NA,"NA","NA"\n,,,\n')
    assert listed(sent) | {"x": []} == {"x": [], "n": [1, None, None], "s": ["1.0", "NA", None], "f": ["a", "NA", None]}
    assert str(sent.columns["x"]) == "[ 1. nan nan]"
    assert (sent.keys, sent.echoed) == ([], {})


def test_a_key_that_is_no_feature_is_a_key_alone_and_one_that_is_is_both(path: Path) -> None:
    text = 'id,x,n,s,f\n007,1,1,k1,a\n"a,b",2,2,"k 2",a\n'
    sent = batch(path, text, Echo("id"))
    assert (sorted(sent.columns), sent.keys) == (["f", "n", "s", "x"], ["007", "a,b"])
    assert sent.echoed == {"id": [Cell("007", quoted=False), Cell("a,b", quoted=True)]}
    both = batch(path, text, Echo("s", ("id", "x")))
    assert (listed(both)["s"], both.keys, list(both.echoed)) == (["k1", "k 2"], ["k1", "k 2"], ["s", "id", "x"])
    assert listed(both)["x"] == [1.0, 2.0]


def test_of_a_model_whose_features_are_not_known_all_but_the_echoed_columns_are_sent(path: Path) -> None:
    sent = batch(path, 'id,a,b\n1,2,"t"\n', Echo("id"), [])
    assert listed(sent) == {"a": [2.0], "b": ["t"]}


@pytest.mark.parametrize("key", ["", "NA", "\\N", '""', " ", '" "'])
def test_a_row_without_a_key_is_named(path: Path, key: str) -> None:
    said = refusal(path, f"id,{HEADER}1,1,1,s,a\n{key},1,1,s,a\n", Echo("id"))
    assert said == (
        "column 'id', row 3 (the header is row 1): the row has no key; give every row a key, or copy the column by "
        "--keep instead of --key"
    )


def test_a_key_may_be_the_text_na_and_has_1024_bytes_at_most(path: Path) -> None:
    assert batch(path, f'id,{HEADER}"NA",1,1,s,a\n{"k" * 1024},1,1,s,a\n', Echo("id")).keys == ["NA", "k" * 1024]
    said = refusal(path, f"id,{HEADER}{chr(233) * 513},1,1,s,a\n", Echo("id"))
    assert said == "column 'id', row 2 (the header is row 1): the key is longer than the allowed 1024 bytes"


@pytest.mark.parametrize(
    ("echo", "sentence"),
    [
        (Echo("id", ("id",)), "column 'id' is named twice; name each column once, by --key or by --keep"),
        (Echo(None, ("a", "a")), "column 'a' is named twice; name each column once, by --key or by --keep"),
        (Echo("score"), "column 'score' can't be copied, because the output has a column of its own with that name"),
        (Echo(None, ("source",)), "column 'source' can't be copied, because the output has a column"),
        (Echo(None, ("id", "reason")), "column 'reason' can't be copied, because the output has a column"),
    ],
)
def test_columns_of_the_output_have_names_of_their_own(echo: Echo, sentence: str) -> None:
    with pytest.raises(TextError) as raised:
        echo.check(["score", "other"])
    assert raised.value.in_full().startswith(sentence)
    Echo("id", ("a", "Score")).check(["score"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "x;n;s;f\n1;2;s;a\n",
            "the model knows 0 of the 1 names in the header; the separator may be ';': ",
        ),
        (
            "x\tn\ts\tf\n1\t2\ts\ta\n",
            "the model knows 0 of the 1 names in the header; the separator may be tab: then ",
        ),
        (
            "1.5,2,s,a\n",
            "the model knows 1 of the 4 names in the header; the first row may hold values instead of names: then use",
        ),
        (f",{HEADER}", "the model does not know column ''; the first column may hold row names: use --keep \"\", or "),
        (f"Unnamed: 0,{HEADER}", "the model does not know column 'Unnamed: 0'; the first column may hold row names: "),
        (f"...1,{HEADER}", "the model does not know column '...1'; the first column may hold row names: "),
        ("x,n,s,f,\n", "the model does not know column ''; a column has no name: is there a separator too many?"),
        ("x, n,s,f\n", "missing column 'n'; the model does not know column ' n'; the model knows 'n': names must be"),
        ("X,n,s,f\n", "missing column 'x'; the model does not know column 'X'; the model knows 'x': names must be the"),
        (
            f"id,{HEADER}",
            "the model does not know column 'id'; --keep COLUMN or --key COLUMN copies a column that the ",
        ),
        ("x,n,s\n", "missing column 'f'"),
        (
            "x\0,\0n\0,\0s\0,\0f\0\n",
            "the model knows 0 of the 4 names in the header; every other byte is 0, as in UTF-16: use --enc",
        ),
        ("sep=;\nx;n;s;f\n", "line 1 is Excel's own sep= line; use --separator ';', and the line is ignored"),
        ("sep=|\r\nx|n|s|f\r\n", "line 1 is Excel's own sep= line; use --separator '|', and the line is ignored"),
        ("", "there is no header in it"),
    ],
)
def test_a_header_that_is_not_the_model_s_has_a_likely_cause(path: Path, text: str, sentence: str) -> None:
    assert refusal(path, text).startswith(sentence)


def test_the_mark_of_utf_8_in_a_file_that_is_said_to_be_something_else(path: Path) -> None:
    said = refusal(path, "\ufeffx,n,s,f\n", dialect=Dialect(encoding="cp1252"))
    assert said.endswith("; the file begins with UTF-8's byte order mark: use --encoding utf-8")


def test_excel_s_line_is_passed_over_where_it_says_the_same_and_lines_count_on(path: Path) -> None:
    text = "sep=;\r\nx;n;s;f\r\n1;2;s;a\r\nw;2;s;a\r\n"
    said = refusal(path, text, dialect=Dialect(";"))
    assert said == "column 'x', row 3 (the header is row 1; line 4): not of type double"


def test_without_a_header_columns_are_the_model_s_in_its_order(path: Path) -> None:
    sent = batch(path, "1,2,s,a\n3,4,t,a\n", Echo(None, ("s",)), dialect=Dialect(header=False))
    assert listed(sent) == {"x": [1.0, 3.0], "n": [2, 4], "s": ["s", "t"], "f": ["a", "a"]}
    assert list(sent.echoed) == ["s"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "1,2,s\n",
            "row 1: 3 cells, but the model takes 4 features; with --no-header a file must have a column for every ",
        ),
        ("1,2,s,a\n1,2.5,s,a\n", "column 'n', row 2: not of type int: it is not a whole number"),
        ('1,2,"s\n",a\n1,2.5,s,a\n', "column 'n', row 2 (line 3): not of type int: it is not a whole number"),
        (HEADER, "row 1: this row holds the names of the features; leave out --no-header"),
        ("", "there is no row in it"),
    ],
)
def test_a_file_without_a_header_that_does_not_fit_is_told(path: Path, text: str, sentence: str) -> None:
    assert refusal(path, text, dialect=Dialect(header=False)).startswith(sentence)


def test_without_a_header_features_must_be_known(path: Path) -> None:
    said = refusal(path, "1\n", features=[], dialect=Dialect(header=False))
    assert said == (
        "with --no-header the columns get the names of the model's features, which the gateway does not know yet; "
        "score again once the version is ready, or give the file a header"
    )


@pytest.mark.parametrize("header", [True, False])
def test_a_column_to_be_echoed_must_be_there(path: Path, header: bool) -> None:
    text = (HEADER if header else "") + "1,2,s,a\n"
    said = refusal(path, text, Echo(None, ("Id",)), dialect=Dialect(header=header))
    assert said.startswith("the file has no column 'Id'; ")
    assert ("in the header, with blanks" in said) == header


AT = "(the header is row 1"


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("column 'x', row 0: not whole", f"column 'x', row 2 {AT}): not whole"),
        ("column 'x', row 2: is infinite", f"column 'x', row 4 {AT}; line 6): is infinite"),
        ("m-1: column 'it''s, row 9', row 1: no", f"m-1: column 'it''s, row 9', row 3 {AT}): no"),
        ("rows 2 to 3 of the batch: column 'x', row 1: no", f"column 'x', row 5 {AT}; line 7): no"),
        ("rows 0 to 2 of the batch: it is late", f"row 2 {AT}) to row 4 {AT}; line 6): it is late"),
        (
            "m/1: Pred.R returned other outputs for row 2 than for row 0",
            f"m/1: Pred.R returned other outputs for row 4 {AT}; line 6) than for row 2 {AT})",
        ),
        ("column 'y', row 0: of another column", "column 'y', row 0: of another column"),
        ("the model said: column 'x', row 0: its own", "the model said: column 'x', row 0: its own"),
        ("column 'x' is int, the model takes string", "column 'x' is int, the model takes string"),
    ],
)
def test_rows_that_a_gateway_counts_from_0_are_told_as_those_of_the_file(path: Path, sentence: str, told: str) -> None:
    sent = batch(path, '"x","it\'\'s, row 9"\n1,1\n2,"a\nb\n"\n3,1\n4,1\n', features=[])
    assert re.fullmatch(r"[^\n]+", told)
    assert sent.in_rows_of_the_file(sentence) == told
