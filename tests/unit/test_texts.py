"""Texts that others made: nothing in them moves a cursor or begins a line, and none is longer than it may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.texts import brief, printable, shortened


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("", ""),
        ("naïve: 50 % 模型 \N{GRINNING FACE}", "naïve: 50 % 模型 \N{GRINNING FACE}"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x07\x9b0m", r"\x1b[31mred\x07\x9b0m"),
        ("\u202eright\u2028line\ufeff", r"\u202eright\u2028line\ufeff"),
        ("\x85next\x0cpage", r"\x85next\x0cpage"),
    ],
)
def test_what_moves_a_cursor_is_spelled_out(text: str, spelled: str) -> None:
    assert printable(text) == spelled
    assert brief(text, 100) == spelled


def test_a_long_text_is_cut_and_says_how_long_it_was() -> None:
    assert shortened("x" * 9, 9) == brief("x" * 9, 9) == "x" * 9
    assert shortened("x" * 10, 9) == brief("x" * 10, 9) == "x" * 9 + "... (10 characters)"
    assert shortened("\n" * 9, 9) == "\n" * 9
    assert brief("\n" * 9, 9) == r"\n\n\n\n\... (9 characters)"
    assert brief("x" * 10_000_000, 500) == "x" * 500 + "... (10000000 characters)"


@given(st.text(), st.integers(1, 40))
def test_a_brief_text_is_one_line_of_bounded_length(text: str, most: int) -> None:
    found = brief(text, most)
    assert found.isprintable()
    assert len(found) <= most + len(f"... ({len(text)} characters)")
    assert found == printable(text) or found.endswith(f"... ({len(text)} characters)")
