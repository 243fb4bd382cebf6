"""Cells as columns: strictly in the gateway's own files, and as the world writes them in anybody's."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.columns import Column, Type
from bridge.row_files.csv_cells import Cell, CellError, format_cells, place, read_cells
from bridge.row_files.csv_columns import parse_column, read_column

TEXTS = st.text(st.one_of(st.sampled_from('",\r\n \0x'), st.characters(exclude_categories=["Cs"])), max_size=8)
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
        (Type.DOUBLE, "\uff11\uff12", False),
        (Type.INT, "\u0661", False),
        (Type.DOUBLE, " 1", False),
        (Type.INT, "1 ", False),
        (Type.DOUBLE, "9007199254740993", False),
        (Type.DOUBLE, "1e-400", False),
    ],
)
@pytest.mark.filterwarnings("ignore")  # numpy < 2 only warns where it takes a number that does not fit
def test_a_cell_of_another_type_is_named_by_column_and_row(column_type: Type, text: str, quoted: bool) -> None:
    cells = [Cell("", quoted=False), Cell(text, quoted=quoted)]
    with pytest.raises(CellError, match=rf"^column 'x', row 3 \(the header is row 1\): not of type {column_type}$"):
        parse_column("x", column_type, cells)


@pytest.mark.parametrize("text", ["NA", "null", "N/A", "None"])
def test_a_word_for_missing_is_told_how_missing_is_written(text: str) -> None:
    with pytest.raises(CellError, match=r": not of type int; a missing value is an empty cell$"):
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


def plain(*texts: str) -> list[Cell]:
    return [Cell(text, quoted=False) for text in texts]


def quoted(*texts: str) -> list[Cell]:
    return [Cell(text, quoted=True) for text in texts]


def read(column_type: Type | None, cells: list[Cell], decimal: str = ".", levels: tuple[str, ...] = ()) -> Column:
    return read_column("x", column_type, cells, where=place, decimal=decimal, levels=levels)


def refusal(column_type: Type | None, cell: Cell, decimal: str = ".") -> str:
    with pytest.raises(CellError) as raised:
        read(column_type, [cell], decimal)
    told = "double" if column_type in (None, Type.FLOAT) else column_type
    start = f"column 'x', row 2 (the header is row 1): not of type {told}"
    assert str(raised.value).startswith(start)
    return str(raised.value).removeprefix(start).removeprefix(": ")


NUMBERS = (Type.DOUBLE, Type.FLOAT, Type.INT, Type.INT64)


@pytest.mark.parametrize("column_type", Type)
@pytest.mark.parametrize("text", ["", "NA", "\\N"])
def test_what_r_pandas_and_databases_write_for_missing_is_missing_in_every_type(column_type: Type, text: str) -> None:
    assert read(column_type, plain(text)).missing().tolist() == [True]
    assert read(None, plain(text)).missing().tolist() == [True]


@pytest.mark.parametrize("column_type", [Type.STRING, Type.FACTOR, None])
@pytest.mark.parametrize("text", ["", "NA", "\\N", "NaN", "null"])
def test_in_quotes_each_of_them_is_text(column_type: Type | None, text: str) -> None:
    column = read(column_type, quoted(text))
    assert (column.values.tolist(), column.missing().tolist()) == ([text], [False])


@pytest.mark.parametrize("text", ["NaN", "null", "NULL", "None", "N/A", "<NA>", " NA", "  ", " a ", "1.50", "\u00a0"])
def test_any_other_cell_of_a_text_column_is_its_text(text: str) -> None:
    assert read(Type.STRING, plain(text, "")).values.tolist() == [text, ""]
    assert read(Type.STRING, plain(text, "")).missing().tolist() == [False, True]


@pytest.mark.parametrize("column_type", NUMBERS)
@pytest.mark.parametrize("text", ["NaN", "nan", "-nan", " NA ", "NAN"])
def test_in_a_column_of_numbers_nan_is_missing_too(column_type: Type, text: str) -> None:
    assert read(column_type, plain(text, "1")).missing().tolist() == [True, False]


@pytest.mark.parametrize("column_type", [*NUMBERS, Type.BOOL])
@pytest.mark.parametrize("text", ["", "NA", "\\N", "NaN", "null"])
def test_in_quotes_no_word_for_missing_is_a_number_or_a_truth_value(column_type: Type, text: str) -> None:
    assert refusal(column_type, Cell(text, quoted=True)) == (
        "in quotes it is text; a missing value is an empty cell, NA or \\N, without quotes"
    )


@pytest.mark.parametrize("column_type", [*NUMBERS, Type.BOOL])
@pytest.mark.parametrize("text", ["null", "NULL", "None", "N/A", "#N/A", "<NA>", "NaT", ".", "?", "nil"])
def test_other_words_for_missing_are_told_how_missing_is_written(column_type: Type, text: str) -> None:
    assert refusal(column_type, Cell(text, quoted=False)) == (
        "a missing value is an empty cell, NA or \\N, without quotes"
    )


def test_a_level_that_is_called_na_is_told_from_missing_by_quotes_alone() -> None:
    column = read(Type.FACTOR, [*plain("NA"), *quoted("NA")], levels=("a", "NA"))
    assert (column.values.tolist(), column.missing().tolist()) == (["", "NA"], [True, False])
    with pytest.raises(CellError, match=r"row 3 .*NA without quotes means missing, but is also a level of the model"):
        read(Type.FACTOR, plain("a", "NA"), levels=("a", "NA"))
    assert read(Type.FACTOR, plain("a", "NA"), levels=("a", "b")).missing().tolist() == [False, True]


@pytest.mark.parametrize("text", ["TRUE", "True", "true", "T", "t", " TRUE "])
@pytest.mark.parametrize("is_quoted", [True, False])
def test_truth_values_as_r_pandas_and_databases_write_them(text: str, is_quoted: bool) -> None:
    false = text.replace("TRUE", "FALSE").replace("rue", "alse").replace("T", "F").replace("t", "f")
    cells = [Cell(one, is_quoted) for one in (text, false)]
    assert read(Type.BOOL, cells).values.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("1", "1 and 0 are numbers; write TRUE and FALSE"),
        ("0.0", "1 and 0 are numbers; write TRUE and FALSE"),
        ("yes", "write TRUE and FALSE, without blanks"),
        ("tRUE", "write TRUE and FALSE, without blanks"),
        ("x", ""),
    ],
)
def test_what_is_no_truth_value_is_told_how_one_is_written(text: str, cause: str) -> None:
    assert refusal(Type.BOOL, Cell(text, quoted=False)) == cause


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.0", 1), ("1e3", 1000), ("-2.50e1", -25), ("+7", 7), ("007", 7), (" 3 ", 3), ("0e999999999999", 0), ("-0", 0)],
)
@pytest.mark.parametrize("is_quoted", [True, False])
def test_a_whole_number_may_be_written_with_a_fraction_of_zeros_or_an_exponent(
    text: str, value: int, is_quoted: bool
) -> None:
    for column_type in (Type.INT, Type.INT64):
        assert read(column_type, [Cell(text, is_quoted)]).values.tolist() == [value]


@pytest.mark.parametrize(
    ("column_type", "text", "cause"),
    [
        (Type.INT, "1.5", "it is not a whole number"),
        (Type.INT64, "1e-3", "it is not a whole number"),
        (Type.INT, "1e-999999999999", "it is not a whole number"),
        (Type.INT, "2147483648", "it is outside -2147483647 to 2147483647"),
        (Type.INT, "-2147483648", "it is outside -2147483647 to 2147483647"),
        (Type.INT, "1e99999999999", "it is outside -2147483647 to 2147483647"),
        (Type.INT, "-Inf", "it is outside -2147483647 to 2147483647"),
        (Type.INT64, str(2**63), f"it is outside {-(2**63)} to {2**63 - 1}"),
        (Type.DOUBLE, str(2**53 + 1), "it is beyond 2^53, and no double holds all its digits"),
        (Type.DOUBLE, f"{2**53 + 1}.0", "it is beyond 2^53, and no double holds all its digits"),
        (Type.DOUBLE, f"-{2**53 + 1}.5", "it is beyond 2^53, and no double holds all its digits"),
        (Type.DOUBLE, "9.007199254740993e15", "it is beyond 2^53, and no double holds all its digits"),
        (Type.FLOAT, str(2**63 - 1), "it is beyond 2^53, and no double holds all its digits"),
        (None, str(10**30), "it is beyond 2^53, and no double holds all its digits"),
        (Type.DOUBLE, "1e400", "it is beyond the largest double, 1.8e308"),
        (Type.DOUBLE, "-1" + "0" * 400, "it is beyond the largest double, 1.8e308"),
        (Type.DOUBLE, "1e-400", "it is nearer to 0 than the smallest double, 4.9e-324"),
        (Type.DOUBLE, "0." + "0" * 400 + "1", "it is nearer to 0 than the smallest double, 4.9e-324"),
    ],
)
def test_a_number_that_its_column_does_not_hold_is_refused(column_type: Type | None, text: str, cause: str) -> None:
    assert refusal(column_type, Cell(text, quoted=False)) == cause


def test_a_whole_number_that_no_double_holds_is_refused_beside_fractions_and_missing_ones_too() -> None:
    for column_type in (Type.DOUBLE, None):
        with pytest.raises(CellError, match=r"row 4 "):
            read(column_type, plain("0.5", "", str(2**53 + 1)))
    assert read(Type.INT64, plain("", str(2**53 + 1))).values.tolist() == [0, 2**53 + 1]
    assert read(Type.DOUBLE, plain(str(2**63), ".5")).values.tolist() == [2.0**63, 0.5]


@given(st.floats(-1e308, 1e308), st.sampled_from(["r", ".17g", ".16e", "e15", "R"]))
@settings(max_examples=500, deadline=None)
def test_every_double_is_read_back_as_programs_print_it(value: float, form: str) -> None:
    printed = {"r": repr(value), "e15": f"{value:.14e}", "R": f"{value:.15g}"}.get(form) or format(value, form)
    assert read(Type.DOUBLE, plain(printed)).values.tolist() == [float(printed)]
    assert read(Type.DOUBLE, plain(printed.replace(".", ",")), ",").values.tolist() == [float(printed)]


@given(st.integers(-(2**70), 2**70))
@settings(max_examples=300, deadline=None)
def test_a_whole_number_is_exact_or_refused(number: int) -> None:
    try:
        assert int(read(Type.DOUBLE, plain(str(number))).values[0]) == number
    except CellError:
        assert int(float(number)) != number


@pytest.mark.parametrize("text", ["inf", "Inf", "-Infinity", "+INF"])
def test_infinity_is_sent_if_it_is_called_so(text: str) -> None:
    assert np.isinf(read(Type.DOUBLE, plain(text)).values).all()


COMMA = "it has a decimal comma; use --decimal ','"
EITHER = "its comma may separate thousands: write the number without it; or it is a decimal comma: use --decimal ','"
PARTED = "it has thousands separators; write the number without them"
WIDE = "it has full-width digits or signs; write the half-width ones, 0 to 9"
BLANK = "it has a no-break or invisible blank beside it; write the number alone"
PERCENT = "it has a percent sign; write the number alone, as the model was trained with it: 12.5 or 0.125"
CURRENCY = "it has a currency sign; write the number alone"
DATE = "it is a date; no model takes dates: write what the model was trained with"
TIME = "it is a time of day; write what the model was trained with"
UNIT = "it has letters beside the number, such as a unit; write the number alone"
BASE = "it is not a decimal number; write it with the digits 0 to 9"
MINUS = "its minus sign is not the character '-'"


@pytest.mark.parametrize(
    ("cause", "texts"),
    [
        (COMMA, ["0,5", "-12,75", ",5", "1234,5", "1,5e3"]),
        (EITHER, ["1,234", "-12,345"]),
        (
            PARTED,
            ["1,234,567", "1,234.5", "1 234", "1'234", "1.234,5", "1_000", "12,34,567", "1\u00a0234", "1\u2019234"],
        ),
        (WIDE, ["\uff11\uff12", "1\uff0e5", "\uff0d1"]),
        (BLANK, ["\u00a01", "1\u202f", "1.5\u3000", "\u20031", "\u200b1", "1\ufeff"]),
        (PERCENT, ["12%", "12.5 %", "3\u2030"]),
        (CURRENCY, ["$5", "5 \u20ac", "\u00a35.00", "\u00a5100", "$1,234"]),
        (DATE, ["2024-05-17", "17.05.2024", "5/17/24", "2024-05-17T10:00:00Z", "17-May-2024", "2024/05/17 10:00"]),
        (TIME, ["10:30", "10:30:15.5", "9:05 pm"]),
        (UNIT, ["12kg", "5 EUR", "1d5", "USD 7"]),
        (BASE, ["0x1F", "0b101", "0o17", "0x1p3"]),
        (MINUS, ["\u22121", "\u20135.5"]),
        ("its digits are not 0 to 9", ["\u0661\u0662", "\u096b", "\u00bd", "\u2167"]),
        ("its minus sign is behind it; write it before the number", ["12-", "5.5-"]),
        ("it is in parentheses, which may mean minus; write -", ["(12)", "(1,234.50)"]),
        ("it is an error of a spreadsheet; correct the formula", ["#DIV/0!", "#REF!", "#NAME?"]),
        ("it begins with an apostrophe; write the number alone", ["'12", "\u20190.5"]),
        ("it is a truth value; write 1 and 0", ["TRUE", "false", "yes"]),
    ],
)
@pytest.mark.parametrize("column_type", [Type.DOUBLE, Type.INT, None])
def test_what_is_no_number_has_a_likely_cause_and_what_to_do(
    column_type: Type | None, cause: str, texts: list[str]
) -> None:
    assert {text: refusal(column_type, Cell(text, quoted=False)) for text in texts} == dict.fromkeys(texts, cause)


@pytest.mark.parametrize("text", ["1.5", "1.234", "1,234.5", "1.234,5", "1 234,5"])
def test_with_a_decimal_comma_no_point_is_guessed_at(text: str) -> None:
    cause = refusal(Type.DOUBLE, Cell(text, quoted=False), ",")
    assert "point" in cause or cause == PARTED


def test_text_without_quotes_of_an_undeclared_feature_is_told_where_to_declare_it() -> None:
    assert refusal(None, Cell("abc", quoted=False)) == (
        "the model declares no type for this column, so text must be in quotes: declare the type in [features]"
    )
    assert refusal(Type.DOUBLE, Cell("abc", quoted=False)) == ""
    assert read(None, [*plain("1"), *quoted("a")]).values.tolist() == ["1", "a"]


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_cell_is_a_number_in_the_digits_of_csv_or_refused(text: str) -> None:
    try:
        column = read(Type.DOUBLE, plain(text))
    except CellError:
        return
    assert column.missing().all() or re.fullmatch(r"[ \t]*([0-9.eE+-]+|[+-]?(?i:inf|infinity))[ \t]*", text)
