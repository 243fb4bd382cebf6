"""Lines of text: whatever their ends and encoding, wherever their bytes are cut, and told where they are no text."""

import codecs
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.row_files.csv_text import LONGEST_LINE, TextError, read_lines

LINES = st.lists(st.text(st.sampled_from("ab\u00e9\u4e2d\U0001f600 \u2028\x0b\x0c\x85"), max_size=4), max_size=4)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def cut(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@given(LINES, ENDS, st.sampled_from(["utf-8", "utf-16", "utf-16-be", "utf-32", "gb18030", "utf-7"]), st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_lines_come_with_their_ends(lines: list[str], end: str, encoding: str, size: int) -> None:
    whole = "".join(line + end for line in lines).encode(encoding)
    assert list(read_lines(cut(whole, size), encoding)) == [line + end for line in lines]
    unended = (end.join([*lines, "x"])).encode(encoding)
    assert list(read_lines(cut(unended, size), encoding)) == [*(line + end for line in lines), "x"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16", "gb18030", "utf-32"])
def test_one_byte_order_mark_is_passed_over(encoding: str) -> None:
    mark = "" if encoding in {"utf-16", "utf-32"} else "\ufeff"  # these write one themselves
    assert list(read_lines(cut(f"{mark}a\n\ufeffb".encode(encoding), 3), encoding)) == ["a\n", "\ufeffb"]


HEAD = "a,b\r\n" * 20_000


@pytest.mark.parametrize(
    ("text", "written", "encoding", "likely"),
    [
        ("\u4e2d\u6587", "gbk", "utf-8", "gbk"),
        ("\u56e7\u9555\u4e2d", "gbk", "utf-8", "gbk"),
        ("\u5317\u4eac", "gbk", "ascii", "gbk"),
        ("M\u00fcller", "cp1252", "utf-8", "cp1252"),
        ("Stra\u00dfe Gr\u00f6\u00dfe", "cp1252", "utf-8", "cp1252"),
        ("5 \u20ac", "cp1252", "utf-8", "cp1252"),
        ("\u3053\u3093\u306b\u3061\u306f\u6771\u4eac", "cp932", "utf-8", "cp932"),
        ("\u30ab\u30bf\u30ab\u30ca", "cp932", "utf-8", "cp932"),
        ("M\u00fcller", "utf-8", "ascii", "utf-8"),
        ("\u4e2d\u6587", "utf-8", "gbk", "utf-8"),
    ],
)
@pytest.mark.parametrize("size", [1000, 1 << 16, 1 << 20])
def test_bytes_that_are_no_text_are_told_by_line_and_likely_encoding(
    text: str, written: str, encoding: str, likely: str, size: int
) -> None:
    whole = f"{HEAD}{text},1\r\n".encode(written)
    with pytest.raises(TextError, match=rf"^line 20001 is not {encoding}$") as raised:
        list(read_lines(cut(whole, size), encoding))
    assert raised.value.remedy == f"it may be {likely}: then use --encoding {likely}"


@pytest.mark.parametrize(
    ("whole", "encoding", "remedy"),
    [
        ("a\u00e9".encode("utf-16"), "utf-8", "it may be utf-16: then use --encoding utf-16"),
        (codecs.BOM_UTF16_BE + "a".encode("utf-16-be"), "utf-8", "it may be utf-16: then use --encoding utf-16"),
        ("ab\u00e9cdef".encode("utf-16-le"), "utf-8", "it may be utf-16-le: then use --encoding utf-16-le"),
        ("ab\u00e9cdef".encode("utf-16-be"), "utf-8", "it may be utf-16-be: then use --encoding utf-16-be"),
        (b"\x81\x8d\xff,", "utf-8", "name its encoding with --encoding"),
        (
            b"a\0b\0",
            "utf-16",
            "it has no byte order mark: use --encoding utf-16-le or --encoding utf-16-be",
        ),
        (b"a\0b\0c", "utf-16", "it has no byte order mark: use --encoding utf-16-le or --encoding utf-16-be"),
        (b"x", "undefined", ""),
        (b"+2AA-", "utf-7", ""),
    ],
)
def test_the_first_line_likewise(whole: bytes, encoding: str, remedy: str) -> None:
    with pytest.raises(TextError, match=rf"^line 1 is not {encoding}$") as raised:
        list(read_lines([whole], encoding))
    assert raised.value.remedy == remedy
    assert raised.value.__suppress_context__  # Python's own error holds the bytes


def test_a_truncated_character_at_the_end_is_no_text() -> None:
    with pytest.raises(TextError, match=r"^line 2 is not utf-8$"):
        list(read_lines([b"a\nb\xe4", b"\xb8"], "utf-8"))


def test_a_line_is_of_bounded_length_and_what_came_before_was_given() -> None:
    lines = read_lines([b"a\n", *[b"x" * (1 << 20)] * 5, b"\n"], "utf-8")
    assert next(lines) == "a\n"
    with pytest.raises(TextError, match=rf"^{re.escape(f'line 2 is longer than {LONGEST_LINE} characters')}$"):
        next(lines)
