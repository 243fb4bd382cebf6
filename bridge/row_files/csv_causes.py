"""Why a CSV file is likely not what it should be, and what to do about it: a sentence for each thing people meet."""

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

_TWO_BYTES = "every other byte is 0: say --encoding utf-16-le, or utf-16-be"
_NO_HEADER = "the first row may be no header: then say --no-header"
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
    """As the option takes it."""
    return {"\t": "tab", " ": "' '"}.get(separator, f"'{separator}'")


def quote_cause(before: str, behind: str, separator: str) -> str:
    """Of a quote within a cell that is not quoted, or of something behind the quote that closes one.

    Args:
        before: what is before it in the cell.
        behind: the character behind the one that closes; empty for a quote within.
        separator: of the file, as it was said.
    """
    if "\0" in before + behind:
        return _TWO_BYTES
    if before.endswith("\\"):
        return 'within quotes a quote is written twice, not as \\": R does so with qmethod = "double"'
    if behind and behind != separator and behind in f"{_SEPARATORS}, ":
        return f"the separator may be {separator_name(behind)}: then say --separator {separator_name(behind)}"
    if before and not behind and not before.strip():
        return "no blank may stand between the separator and a quote"
    return "a cell with a quote in it is in quotes as a whole, and that quote is written twice"


def width_cause(header: Sequence[str], cells: Sequence[str], separator: str, *, first_quoted: bool, named: bool) -> str:
    """Of a row that has another number of cells than the header.

    Args:
        header: the first row.
        cells: of the row.
        separator: of the file.
        first_quoted: the row's first cell is in quotes.
        named: the first row holds names.
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
            "numbers may have decimal commas: write with ';', as R's write.csv2, and say --separator ';' --decimal ','"
        )
    if not causes and len(cells) > len(header):
        causes.append("a cell that has the separator in it must be in quotes")
    return "; or ".join(causes)


def _is_digits(text: str) -> bool:
    return text.strip().lstrip("+-").isdecimal()


def header_cause(names: Sequence[str], unknown: Sequence[str], known: Sequence[str], separator: str) -> str:
    """Of a header whose names the model does not know; empty if nothing comes to mind.

    Args:
        names: of the header.
        unknown: those that the model does not know, at least one.
        known: the model's own.
        separator: of the file.
    """
    first = unknown[0]
    other = next((one for one in f"{_SEPARATORS}, " if one != separator and one in names[0]), "")
    said = separator_name(other)
    like = next((one for one in known if one.strip().casefold() == first.strip().casefold()), "")
    causes = [
        ("\0" in first, _TWO_BYTES),
        (first.startswith("\u00ef\u00bb\u00bf"), "the file begins with UTF-8's byte order mark: say --encoding utf-8"),
        (len(names) == 1 and other, f"the separator may be {said}: then say --separator {said}"),
        (may_be_values(names, unknown) and any(map(_ANY_NUMBER.fullmatch, unknown)), _NO_HEADER),
        (names_cause(names), names_cause(names)),
        (
            first == names[0] and _ROW_NAMES.fullmatch(first),
            f'the first column may hold row names: say --keep "{first}", or write with row.names = FALSE, index=False',
        ),
        (like, f"the model knows '{like}': names must be the same, with their cases and blanks"),
    ]
    general = "--keep COLUMN or --key COLUMN takes a column to the output that the model does not know"
    return next((sentence for fits, sentence in causes if fits), general)


def may_be_values(names: Sequence[str], unknown: Sequence[str]) -> bool:
    """What stands in a header may be a row's values, which no sentence repeats: the model knows none, or only some."""
    return len(unknown) == len(names) or (2 * len(unknown) >= len(names) and any(map(_ANY_NUMBER.fullmatch, unknown)))


def names_cause(names: Sequence[str]) -> str:
    """Of a header that has a name twice, or one that is not the model's; empty if nothing comes to mind."""
    if all(_ANY_NUMBER.fullmatch(name) for name in names):
        return _NO_HEADER
    return "a column has no name: is there a separator too many?" if "" in names[1:] else ""


def number_cause(text: str, decimal: str, *, quoted: bool) -> str:
    """Why a text is no number; empty if nothing comes to mind.

    Args:
        text: of the cell.
        decimal: the mark before the fraction, as it was said.
        quoted: it is in quotes.
    """
    bare = text.strip(" \t")
    if quoted and bare.lower() in MISSING_WORDS | {""}:
        return f"in quotes it is text; {_MISSING}"
    if not bare:
        return f"it holds blanks alone; {_MISSING}"
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
        (text[0] in _OTHER_MINUS, "its minus sign is not '-'"),
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
    option = "say --decimal ','" if decimal == "." else "leave out --decimal ','"
    mark = "comma" if decimal == "." else "point"
    parted = _DIGITS_PARTED.fullmatch(text)
    if parted and parted[1] == other and not parted[2] and pattern.fullmatch(text):
        return f"its {mark} may part thousands: write the number without; or it is a decimal {mark}: {option}"
    causes = [
        (pattern.fullmatch(text), f"it has a decimal {mark}; {option}"),
        (_DATE.fullmatch(text), "it is a date; no model takes dates: write what the model was trained with"),
        (_TIME.fullmatch(text), "it is a time of day; write what the model was trained with"),
        (parted, "it has thousands separators; write the number without"),
        (_OTHER_BASE.fullmatch(text), "it is no decimal number; write it with the digits 0 to 9"),
        (text[0] == "(" and text[-1] == ")", "it is in parentheses, which may mean minus; write -"),
        (text[-1] == "-", "its minus sign is behind it; write it before the number"),
        (_ERRORS.fullmatch(text), "it is an error of a spreadsheet; mend its formula"),
        (text[0] in "'`\u2019", "it begins with an apostrophe; write the number alone"),
        (_UNIT.fullmatch(text), "it has letters beside the number, such as a unit; write the number alone"),
    ]
    return next((sentence for fits, sentence in causes if fits), "")


def truth_cause(text: str, *, quoted: bool) -> str:
    """Why a text is no truth value; empty if nothing comes to mind."""
    word = text.strip().lower()
    if word in ("1", "0", "1.0", "0.0"):
        return "1 and 0 are numbers; write TRUE and FALSE"
    if quoted and word in MISSING_WORDS | {""}:
        return f"in quotes it is text; {_MISSING}"
    if word in _TRUTHS:
        return "write TRUE and FALSE, without blanks"
    return _MISSING if word in MISSING_WORDS or not word else ""
