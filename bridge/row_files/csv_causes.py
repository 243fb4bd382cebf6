"""Likely causes of what is wrong in a CSV file, and what to do about them: a message for each that people meet."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

__all__ = [
    "MISSING_WORDS",
    "header_cause",
    "may_be_values",
    "names_cause",
    "number_cause",
    "quote_cause",
    "separator_name",
    "truth_cause",
    "width_cause",
]

MISSING_WORDS = frozenset(
    [
        "na",
        "n/a",
        "#n/a",
        "nan",
        "<na>",
        "nat",
        "null",
        "[null]",
        "(null)",
        "none",
        "nil",
        "\\n",
        ".",
        "-",
        "?",
        "missing",
    ]
)

_TWO_BYTES = "every other byte is 0, as in UTF-16: use --encoding utf-16-le or utf-16-be"
_NO_HEADER = "the first row may hold values instead of names: then use --no-header"
_SEPARATORS = ";\t|"
_MISSING = "a missing value is an empty cell, NA or \\N, without quotes"
_TRUTHS = frozenset(["true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"])
_DIGITS_PARTED = re.compile(r"[+-]?\d{1,3}(?=([,.' _\u2019\u00a0\u2009\u202f\u066c]))(?:\1\d{2,3})*\1\d{3}([.,]\d+)?")
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}(?:[T ].*)?|\d{1,2}([-/.])(?:\d{1,2}|[A-Za-z]{3})\2\d{2,4}(?: .*)?")
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?")
_OTHER_BASE = re.compile(r"[+-]?0[xXbBoO][0-9A-Fa-f.pP+-]+")
_UNIT = re.compile(r"[+-]?\d[\d.,]*\s*[^\W\d_]+\d*|[^\W\d_]+\s*\d[\d.,]*")
_OTHER_MINUS = "\u2212\u2013\u2014\u2010\u2011\ufe63"
_ERRORS = re.compile(r"#[A-Z/0!?]+")
_ROW_NAMES = re.compile(r"|Unnamed: 0(?:_level_\d+)?|\.\.\.1|rownames|row\.names|__index_level_0__")
_ANY_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")


def separator_name(separator: str) -> str:
    """Returns a separator as the option `--separator` takes it, such as `tab` or `';'`."""
    return {"\t": "tab", " ": "' '"}.get(separator, f"'{separator}'")


def quote_cause(before: str, behind: str, separator: str) -> str:
    """Returns the likely cause of a quote inside an unquoted cell, or of text behind a closing quote.

    Args:
        before: the text of the cell before the quote.
        behind: the character behind the closing quote; empty for a quote inside an unquoted cell.
        separator: the separator with which the file is read.
    """
    if "\0" in before + behind:
        return _TWO_BYTES
    if before.endswith("\\"):
        return 'within quotes a quote is written twice, not as \\": R does so with qmethod = "double"'
    if behind and behind != separator and behind in f"{_SEPARATORS}, ":
        return f"the separator may be {separator_name(behind)}: then use --separator {separator_name(behind)}"
    if before and not behind and not before.strip():
        return "no blank may stand between the separator and a quote"
    return "a cell that holds a quote must be in quotes as a whole, and the quote inside it written twice"


def width_cause(header: Sequence[str], cells: Sequence[str], separator: str, *, first_quoted: bool, named: bool) -> str:
    """Returns the likely cause of a row that has more or fewer cells than the header; empty if none is known.

    Args:
        header: the cells of the first row.
        cells: the cells of the row.
        separator: the separator with which the file is read.
        first_quoted: whether the row's first cell is in quotes.
        named: whether the first row holds names.
    """
    if any("\0" in text for text in cells):
        return _TWO_BYTES
    causes = []
    if len(cells) == len(header) + 1 and named and (first_quoted or cells[0] in ("0", "1")):
        causes.append("the first cell may be a row name, as R's write.table has them: write with row.names = FALSE")
    if (
        separator == ","
        and not first_quoted
        and any(_is_digits(one) and _is_digits(two) for one, two in pairwise(cells))
    ):
        causes.append(
            "numbers may have decimal commas: write with ';', as R's write.csv2, and use --separator ';' --decimal ','"
        )
    if not causes and len(cells) > len(header):
        causes.append("a cell that holds the separator must be in quotes")
    return "; or ".join(causes)


def _is_digits(text: str) -> bool:
    return text.strip().lstrip("+-").isdecimal()


def header_cause(names: Sequence[str], unknown: Sequence[str], known: Sequence[str], separator: str) -> str:
    """Returns the likely cause of names in a header that the model does not know, or how to keep such columns.

    Args:
        names: the names in the header.
        unknown: those that the model does not know, at least one.
        known: the names of the model's features.
        separator: the separator with which the file is read.
    """
    first = unknown[0]
    other = next((one for one in f"{_SEPARATORS}, " if one != separator and one in names[0]), "")
    said = separator_name(other)
    like = next((one for one in known if one.strip().casefold() == first.strip().casefold()), "")
    causes = [
        ("\0" in first, _TWO_BYTES),
        (first.startswith("\u00ef\u00bb\u00bf"), "the file begins with UTF-8's byte order mark: use --encoding utf-8"),
        (len(names) == 1 and other, f"the separator may be {said}: then use --separator {said}"),
        (may_be_values(names, unknown) and any(map(_ANY_NUMBER.fullmatch, unknown)), _NO_HEADER),
        (names_cause(names), names_cause(names)),
        (
            first == names[0] and _ROW_NAMES.fullmatch(first),
            f'the first column may hold row names: use --keep "{first}", or write with row.names = FALSE, index=False',
        ),
        (like, f"the model knows '{like}': names must be the same in every letter's case and every blank"),
    ]
    general = "--keep COLUMN or --key COLUMN copies a column that the model does not know to the output"
    return next((sentence for fits, sentence in causes if fits), general)


def may_be_values(names: Sequence[str], unknown: Sequence[str]) -> bool:
    """Whether a header may be a row of values, which no message may repeat.

    That is so if the model knows none of its names, or if it knows at most half of them and one is a number.
    """
    return len(unknown) == len(names) or (2 * len(unknown) >= len(names) and any(map(_ANY_NUMBER.fullmatch, unknown)))


def names_cause(names: Sequence[str]) -> str:
    """Returns the likely cause of a header that has a name twice or an unknown one; empty if none is known."""
    if all(_ANY_NUMBER.fullmatch(name) for name in names):
        return _NO_HEADER
    return "a column has no name: is there a separator too many?" if "" in names[1:] else ""


def number_cause(text: str, decimal: str, *, quoted: bool) -> str:
    """Returns why a text is not a number, and what to do; empty if no cause is known.

    Args:
        text: the text of the cell.
        decimal: the decimal mark with which the file is read.
        quoted: whether the cell is in quotes.
    """
    bare = text.strip(" \t")
    if quoted and bare.lower() in MISSING_WORDS | {""}:
        return f"in quotes it is text; {_MISSING}"
    if not bare:
        return f"it holds only blanks; {_MISSING}"
    if bare.lower() in MISSING_WORDS:
        return _MISSING
    if bare.lower() in _TRUTHS:
        return "it is a truth value; write 1 and 0"
    return _of_signs(bare) or _of_form(bare, decimal)


def _of_signs(text: str) -> str:
    kinds = [unicodedata.category(one) for one in text]
    causes = [
        (
            any(_is_full_width(one) for one in text),
            "it has full-width digits or signs; write the half-width ones, 0 to 9",
        ),
        (
            "Cf" in kinds or text.strip() != text,
            "it has a no-break or invisible blank beside it; write the number alone",
        ),
        (text[0] in _OTHER_MINUS, "its minus sign is not the character '-'"),
        (
            text[-1] in "%\u2030",
            "it has a percent sign; write the number alone, as the model was trained with it: 12.5 or 0.125",
        ),
        ("Sc" in kinds, "it has a currency sign; write the number alone"),
        (any(one.isnumeric() and not one.isascii() for one in text), "its digits are not 0 to 9"),
    ]
    return next((sentence for fits, sentence in causes if fits), "")


def _is_full_width(one: str) -> bool:
    return unicodedata.east_asian_width(one) == "F" and unicodedata.normalize("NFKC", one) in "0123456789+-.,eE%"


def _of_form(text: str, decimal: str) -> str:
    other, pattern = (",", _COMMA) if decimal == "." else (".", _POINT)
    option = "use --decimal ','" if decimal == "." else "leave out --decimal ','"
    mark = "comma" if decimal == "." else "point"
    parted = _DIGITS_PARTED.fullmatch(text)
    if parted and parted[1] == other and not parted[2] and pattern.fullmatch(text):
        return f"its {mark} may separate thousands: write the number without it; or it is a decimal {mark}: {option}"
    causes = [
        (pattern.fullmatch(text), f"it has a decimal {mark}; {option}"),
        (_DATE.fullmatch(text), "it is a date; no model takes dates: write what the model was trained with"),
        (_TIME.fullmatch(text), "it is a time of day; write what the model was trained with"),
        (parted, "it has thousands separators; write the number without them"),
        (_OTHER_BASE.fullmatch(text), "it is not a decimal number; write it with the digits 0 to 9"),
        (text[0] == "(" and text[-1] == ")", "it is in parentheses, which may mean minus; write -"),
        (text[-1] == "-", "its minus sign is behind it; write it before the number"),
        (_ERRORS.fullmatch(text), "it is an error of a spreadsheet; correct the formula"),
        (text[0] in "'`\u2019", "it begins with an apostrophe; write the number alone"),
        (_UNIT.fullmatch(text), "it has letters beside the number, such as a unit; write the number alone"),
    ]
    return next((sentence for fits, sentence in causes if fits), "")


def truth_cause(text: str, *, quoted: bool) -> str:
    """Returns why a text is not a truth value, and what to do; empty if no cause is known."""
    word = text.strip().lower()
    if word in ("1", "0", "1.0", "0.0"):
        return "1 and 0 are numbers; write TRUE and FALSE"
    if quoted and word in MISSING_WORDS | {""}:
        return f"in quotes it is text; {_MISSING}"
    if word in _TRUTHS:
        return "write TRUE and FALSE, without blanks"
    return _MISSING if word in MISSING_WORDS or not word else ""
