"""A CSV dialect: what can be one, and what each refusal says of its option."""

import pytest
import typer

from bridge.cli.dialect_options import dialect_of
from bridge.row_files.csv_dialect import Dialect, DialectError


@pytest.mark.parametrize("separator", ["tab", "\\t", "\t"])
def test_a_tab_has_three_names(separator: str) -> None:
    assert Dialect(separator) == Dialect("\t")


@pytest.mark.parametrize("separator", [";", "|", " ", ":", "\x1f", "\uff0c"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_any_sign_parts_cells(separator: str, decimal: str) -> None:
    assert Dialect(separator, decimal).separator == separator


@pytest.mark.parametrize("separator", ["", ";;", "tabs", '"', "\n", "\r", "1", "a", "\xe9", ".", "-", "+", "_", "\0"])
def test_what_stands_in_numbers_names_or_quotes_parts_none(separator: str) -> None:
    with pytest.raises(DialectError, match=r"^must be one character, ") as raised:
        Dialect(separator)
    assert raised.value.option == "--separator"


@pytest.mark.parametrize("decimal", ["", ";", "..", "comma"])
def test_a_decimal_mark_is_a_point_or_a_comma(decimal: str) -> None:
    with pytest.raises(DialectError, match=r"^must be '\.' or ','$") as raised:
        Dialect(";", decimal)
    assert raised.value.option == "--decimal"


def test_a_comma_is_not_both_separator_and_decimal_mark() -> None:
    with pytest.raises(DialectError, match=r"^can't also be the separator: choose another --separator") as raised:
        Dialect(decimal=",")
    assert raised.value.option == "--decimal"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "GBK", "gb18030", "cp1252", "latin-1", "utf-16", "utf-16-be", "shift_jis"]
)
def test_text_codecs_of_python_are_encodings(encoding: str) -> None:
    assert Dialect(encoding=encoding).encoding == encoding


@pytest.mark.parametrize("encoding", ["utf-9", "", "rot13", "base64", "zip", "a\0b", "\xe9"])
def test_any_other_encoding_is_named(encoding: str) -> None:
    with pytest.raises(DialectError, match=r" is not a text encoding that Python knows$") as raised:
        Dialect(encoding=encoding)
    assert str(raised.value).startswith(ascii(encoding))
    assert raised.value.option == "--encoding"


@pytest.mark.parametrize("encoding", ["idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"])
def test_encodings_of_names_and_literals_are_none_of_files(encoding: str) -> None:
    with pytest.raises(DialectError, match=rf"^'{encoding}' is not an encoding for files$") as raised:
        Dialect(encoding=encoding)
    assert raised.value.option == "--encoding"


def test_the_options_of_a_command_are_a_dialect_or_a_wrong_value_of_one_of_them() -> None:
    assert dialect_of("tab", ",", "gbk", no_header=True) == Dialect("\t", ",", "gbk", header=False)
    with pytest.raises(typer.BadParameter, match=r"^must be one character, ") as raised:
        dialect_of(";;", ",", "gbk", no_header=False)
    assert raised.value.param_hint == "--separator"
