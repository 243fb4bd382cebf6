"""CSV cells: what is written is read back, and quotes tell an empty text from a missing one."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.row_files.csv_cells import (
    MOST_CELLS,
    Cell,
    CellError,
    column_names,
    format_cells,
    place,
    read_cells,
    read_rows,
)
from bridge.row_files.csv_text import LONGEST_LINE, read_lines

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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('a,"b\n', "row 1 (the header is row 1): a quote is out of place"),
        ('a,b\n1,"2', "row 2 (the header is row 1): a quote is out of place"),
        ('a\n"x\n"\n"x"y\n', "row 3 (the header is row 1; line 4): a quote is out of place"),
        ('a,b\n"\n\n",2\n\n3,4', "row 3 (the header is row 1; line 5): the row is empty"),
        ('a\n1\n"2\n3"\n4,5\n', "row 4 (the header is row 1; line 5): it has 2 cells, the header has 1"),
        ('a\nx"y"\n', "row 2 (the header is row 1): a quote is out of place"),
        ("a,b\n1,2\n3\n", "row 3 (the header is row 1): it has 1 cells, the header has 2"),
        ("a,b\n1,2,3\n", "row 2 (the header is row 1): it has 3 cells, the header has 2"),
        ("a,b\n\n1,2\n", "row 2 (the header is row 1): the row is empty"),
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


@pytest.mark.parametrize(
    ("text", "separator", "remedy"),
    [
        ('a,b\n1,"2\n\n3', ",", "the quote that opens a cell in line 2 is never closed"),
        ('a,b\n"\n","2\n3', ",", "the quote that opens a cell in line 3 is never closed"),
        ('"a";"b"\n', ",", "the separator may be ';': then use --separator ';'"),
        ('"a"\t"b"\n', ",", "the separator may be tab: then use --separator tab"),
        ('"a" "b"\n', ",", "the separator may be ' ': then use --separator ' '"),
        ('"a"|"b"\n', ";", "the separator may be '|': then use --separator '|'"),
        ('"a","b"\n', "\t", "the separator may be ',': then use --separator ','"),
        ('a, "b"\n', ",", "no blank may stand between the separator and a quote"),
        (
            'a,5" b\n',
            ",",
            "a cell that holds a quote must be in quotes as a whole, and the quote inside it written twice",
        ),
        (
            '"a"b"\n',
            ",",
            "a cell that holds a quote must be in quotes as a whole, and the quote inside it written twice",
        ),
        ('"a \\"b\\""\n', ",", 'within quotes a quote is written twice, not as \\": R does so with qmethod = "double"'),
        ('"\0a\0"\0', ",", "every other byte is 0, as in UTF-16: use --encoding utf-16-le or utf-16-be"),
        ('\0"\0a\0"', ",", "every other byte is 0, as in UTF-16: use --encoding utf-16-le or utf-16-be"),
    ],
)
def test_a_quote_that_is_out_of_place_has_a_likely_cause(text: str, separator: str, remedy: str) -> None:
    with pytest.raises(CellError, match=r": a quote is out of place$") as raised:
        list(read_rows(io.StringIO(text, newline=""), separator))
    assert raised.value.remedy == remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ('"x","y"\n"1",2,3\n', "the first cell may be a row name, as R's write.table has them: "),
        ("x,y\n0,2,3\n", "the first cell may be a row name, "),
        ("x,y\n3,5,2,5\n", "numbers may have decimal commas: "),
        (
            "x,y\n1,5,2\n",
            "the first cell may be a row name, as R's write.table has them: write with row.names = FALSE; or n",
        ),
        ("x\0,\0y\n\0x\0", "every other byte is 0, as in UTF-16: use --encoding utf-16-le or utf-16-be"),
        ("x,y\nHamburg, Altona,5.5\n", "a cell that holds the separator must be in quotes"),
        ("x,y\n1\n", ""),
    ],
)
def test_a_row_of_another_width_has_a_likely_cause(text: str, remedy: str) -> None:
    with pytest.raises(CellError, match=r"cells, the header has 2$") as raised:
        read_cells(text)
    assert raised.value.remedy.startswith(remedy)
    assert bool(raised.value.remedy) == bool(remedy)


def test_without_a_header_the_first_row_is_one_like_the_others() -> None:
    lines = ["1,2\n", "3\n"]
    with pytest.raises(CellError, match=r"^row 2: it has 1 cells, the first row has 2$"):
        list(read_rows(lines, header=False))
    with pytest.raises(CellError, match=r"^row 2 \(line 3\): it has 1 cells, the first row has 2$"):
        list(read_rows(lines, header=False, before=1))


@pytest.mark.parametrize(
    ("row", "line", "header", "said"),
    [
        (0, 0, True, "row 2 (the header is row 1)"),
        (0, 2, True, "row 2 (the header is row 1)"),
        (3, 9, True, "row 5 (the header is row 1; line 9)"),
        (0, 1, False, "row 1"),
        (3, 9, False, "row 4 (line 9)"),
    ],
)
def test_a_row_is_called_as_a_spreadsheet_numbers_it(row: int, line: int, header: bool, said: str) -> None:
    assert place(row, line, header=header) == said


TEXT = st.text(st.sampled_from('",;\r\n x\u2028\x0b'), max_size=12)


def as_csv_reads(text: str, separator: str) -> list[list[str]]:
    return [row or [""] for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)]


@given(TEXT, st.sampled_from(",;"))
@settings(max_examples=500, deadline=None)
def test_what_is_taken_is_read_as_python_s_csv_module_reads_it(text: str, separator: str) -> None:
    with suppress(CellError):
        rows = [[cell.text for cell in row.cells] for row in read_rows(io.StringIO(text, newline=""), separator)]
        others = as_csv_reads(text, separator)
        assert others[: len(rows)] == rows
        assert all(other == [""] for other in others[len(rows) :])


@given(ROWS.filter(bool), st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_rows_are_the_same_wherever_their_bytes_are_cut(rows: list[list[Cell]], size: int) -> None:
    whole = format_cells(rows).encode()
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert [row.cells for row in read_rows(read_lines(pieces, "utf-8"))] == rows


def test_rows_come_one_by_one_with_the_lines_that_they_begin_in() -> None:
    def lines() -> Iterator[str]:
        yield from ["a,b\n", '1,"2\n', '3"\n', "4,5\n"]
        raise AssertionError("read too far")

    rows = read_rows(lines())
    assert [next(rows).line for _ in range(3)] == [1, 2, 4]


def test_an_unquoted_cell_of_another_separator_is_written_so_that_it_is_one() -> None:
    assert format_cells([[Cell("0,5", quoted=False), Cell("x", quoted=False)]]) == '"0,5",x\n'


def test_a_quote_that_is_never_closed_is_given_up() -> None:
    lines = ["a\n", '"x\n', *["x" * LONGEST_LINE, "\n"] * 3]
    with pytest.raises(CellError, match=r"^row 2 .*: a quote is out of place$") as raised:
        list(read_rows(lines))
    assert raised.value.remedy.endswith(f"is never closed within {LONGEST_LINE} characters")


def test_a_row_has_a_bounded_number_of_cells() -> None:
    (row,) = read_rows([",".join("x" * MOST_CELLS) + "\n"])
    assert len(row.cells) == MOST_CELLS
    with pytest.raises(CellError, match=r"^row 1 .*: it has more than 65536 cells$"):
        list(read_rows(["," * MOST_CELLS]))


@pytest.mark.parametrize(
    ("header", "remedy"),
    [
        ("1,2,1", "the first row may hold values instead of names: then use --no-header"),
        ("0.5,0.5", "the first row may hold values instead of names: then use --no-header"),
        ("a,,", "a column has no name: is there a separator too many?"),
    ],
)
def test_what_is_twice_in_a_header_that_may_be_none_is_not_repeated(header: str, remedy: str) -> None:
    (cells,) = read_cells(header)
    with pytest.raises(CellError, match=r"^two columns have the same name$") as raised:
        column_names(cells)
    assert raised.value.remedy == remedy
