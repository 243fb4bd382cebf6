"""CSV cells: what is written is read back, and quotes tell an empty text from a missing one."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.columns import Type
from bridge.csv_cells import Cell, CellError, column_names, format_cells, parse_column, read_cells

TEXTS = st.text(st.one_of(st.sampled_from('",\r\n \0x'), st.characters(exclude_categories=["Cs"])), max_size=8)
PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='",\r\n'), max_size=8)
CELLS = st.one_of(TEXTS.map(lambda text: Cell(text, quoted=True)), PLAIN.map(lambda text: Cell(text, quoted=False)))
ROWS = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=5))


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_what_is_formatted_is_read_back(rows: list[list[Cell]]) -> None:
    assert read_cells(format_cells(rows)) == rows


@given(ROWS.filter(bool), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
@settings(max_examples=50, deadline=None)
def test_any_line_end_will_do_and_the_last_may_lack(rows: list[list[Cell]], end: str, closed: bool) -> None:
    lines = [format_cells([row]).removesuffix("\n") for row in rows]
    text = end.join(lines) + (end if closed or not lines[-1] else "")
    assert read_cells(text) == rows


def test_an_empty_text_is_quoted_and_a_missing_one_is_not() -> None:
    (row,) = read_cells('"",,"a ""b""",c\n')
    assert [(cell.text, cell.quoted, cell.missing) for cell in row] == [
        ("", True, False),
        ("", False, True),
        ('a "b"', True, False),
        ("c", False, False),
    ]
    column = parse_column("s", Type.STRING, row)
    assert column.values.tolist() == ["", "", 'a "b"', "c"]
    assert column.missing().tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('a,"b\n', "row 1 (the header is row 1): a quote is out of place"),
        ('a,b\n1,"2', "row 2 (the header is row 1): a quote is out of place"),
        ('a\n"x\n"\n"x"y\n', "row 3 (the header is row 1): a quote is out of place"),
        ('a\nx"y"\n', "row 2 (the header is row 1): a quote is out of place"),
        ("a,b\n1,2\n3\n", "row 3 (the header is row 1): it has 1 cells, the header has 2"),
        ("a,b\n1,2,3\n", "row 2 (the header is row 1): it has 3 cells, the header has 2"),
        ("a,b\n\n1,2\n", "row 2 (the header is row 1): it is empty"),
        ('a,b\n1,2\n""\n', "row 3 (the header is row 1): it has 1 cells, the header has 2"),
    ],
)
def test_text_that_is_no_csv_is_refused_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(CellError, match=f"^{re.escape(sentence)}$"):
        read_cells(text)


@pytest.mark.parametrize("ends", ["\n", "\n\n\n", "\r\n\r\n"])
def test_empty_lines_at_the_end_are_no_rows(ends: str) -> None:
    assert len(read_cells("a,b\n1,2" + ends)) == 2


def test_an_empty_line_of_the_only_column_is_a_missing_cell() -> None:
    (_, *rows) = read_cells("a\n1\n\n2\n\n")
    assert [cell.missing for (cell,) in rows] == [False, True, False, True]


def test_a_name_that_is_twice_in_the_header_is_refused() -> None:
    header, _ = read_cells('a,b,"a"\n1,2,3\n')
    with pytest.raises(CellError, match=r"^column 'a' is there twice$"):
        column_names(header)
    assert column_names(header[:2]) == ["a", "b"]


def test_no_text_is_no_rows() -> None:
    assert read_cells("") == []
    assert read_cells("a,") == [[Cell("a", quoted=False), Cell("", quoted=False)]]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    TEXTS,
)


@given(st.lists(VALUES, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_python_values_come_back_with_all_their_digits(values: list[bool | float | str | None]) -> None:
    (row,) = read_cells(format_cells([[Cell.of(value) for value in values]]))
    kinds = {bool: Type.BOOL, int: Type.INT64, float: Type.DOUBLE, str: Type.STRING}
    for value, cell in zip(values, row, strict=True):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            assert cell.missing
            continue
        column = parse_column("x", kinds[type(value)], [cell])
        assert column.values.tolist() == [value]
        assert not column.missing().any()
        assert not isinstance(value, float) or math.copysign(1, column.values[0]) == math.copysign(1, value)


@pytest.mark.parametrize("column_type", Type)
def test_missing_cells_are_missing_in_every_type(column_type: Type) -> None:
    text = "TRUE" if column_type is Type.BOOL else "1"
    column = parse_column("x", column_type, [Cell("", quoted=False), Cell(text, quoted=False)])
    assert column.missing().tolist() == [True, False]
    assert column.type is (Type.STRING if column_type is Type.FACTOR else column_type)
    assert column.values.dtype == column.type.dtype
    assert parse_column("x", column_type, []).values.shape == (0,)


@pytest.mark.parametrize(
    ("column_type", "text", "quoted"),
    [
        (Type.DOUBLE, "1.5", True),
        (Type.DOUBLE, "x", False),
        (Type.DOUBLE, "1e999", False),
        (Type.DOUBLE, "-1e999", False),
        (Type.DOUBLE, "", True),
        (Type.DOUBLE, "1_0", False),
        (Type.FLOAT, "1,5", False),
        (Type.FLOAT, "1e39", False),
        (Type.INT, "1.0", False),
        (Type.INT, "1_0", False),
        (Type.INT, "2147483648", False),
        (Type.INT, "-2147483649", False),
        (Type.INT64, str(2**63), False),
        (Type.BOOL, "1", False),
        (Type.BOOL, "TRUE", True),
        (Type.BOOL, "T", False),
    ],
)
@pytest.mark.filterwarnings("ignore")  # numpy < 2 only warns where it takes a number that does not fit
def test_a_cell_of_another_type_is_named_by_column_and_row(column_type: Type, text: str, quoted: bool) -> None:
    cells = [Cell("", quoted=False), Cell(text, quoted=quoted)]
    with pytest.raises(CellError, match=rf"^column 'x', row 3 \(the header is row 1\): not a {column_type}$"):
        parse_column("x", column_type, cells)


@pytest.mark.parametrize("text", ["NA", "null", "N/A", "None"])
def test_a_word_for_missing_is_told_how_missing_is_written(text: str) -> None:
    with pytest.raises(CellError, match=r": not a int; a missing value is an empty cell$"):
        parse_column("x", Type.INT, [Cell(text, quoted=False)])


@pytest.mark.parametrize("text", ["inf", "Inf", "-Infinity", "+INF"])
def test_infinity_is_a_number_if_it_is_called_so(text: str) -> None:
    for column_type in (Type.DOUBLE, Type.FLOAT):
        assert np.isinf(parse_column("x", column_type, [Cell(text, quoted=False)]).values).all()


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("false", False), ("FALSE", False), ("true", True)])
def test_truth_values_as_r_and_as_others_write_them(text: str, value: bool) -> None:
    assert parse_column("x", Type.BOOL, [Cell(text, quoted=False)]).values.tolist() == [value]


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_float32_scores_survive_as_written_with_17_digits(values: list[float]) -> None:
    cells = [Cell.of(value) for value in values]
    assert parse_column("x", Type.FLOAT, cells).values.tobytes() == np.array(values, np.float32).tobytes()
