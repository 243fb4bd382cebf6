"""CSV where quotes mean something: `""` is an empty text, nothing at all is missing.

Python's csv module forgets whether a cell was quoted, and so could not tell the two apart.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np

from bridge.columns import Column, Type

__all__ = ["Cell", "CellError", "column_names", "format_cells", "parse_column", "place", "read_cells"]

_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r|\Z)')
_TRUTHS = {"TRUE": True, "FALSE": False, "true": True, "false": False}
_NAMES_OF_MISSING = {"na", "n/a", "#n/a", "nan", "null", "none", "nil"}
_WIRE_TYPES = {Type.FACTOR: Type.STRING}


class CellError(ValueError):
    """A cell or a row is not what it must be; the sentence names the place, never the content."""


class Cell(NamedTuple):
    """What stands between two commas."""

    text: str
    quoted: bool

    @property
    def missing(self) -> bool:
        """Empty and unquoted."""
        return not self.quoted and not self.text

    @classmethod
    def of(cls, value: object) -> Self:
        """The cell of a Python value: numbers with all their digits, text quoted, None and NaN missing."""
        if value is None or value != value:  # noqa: PLR0124 - NaN alone differs from itself
            return cls("", quoted=False)
        if isinstance(value, str):
            return cls(value, quoted=True)
        if isinstance(value, bool):
            return cls(str(value).upper(), quoted=False)
        return cls(f"{value:.17g}" if isinstance(value, float) else str(value), quoted=False)


def place(row: int) -> str:
    """What a sentence calls a row of the file, 0 the first below the header: its number in a spreadsheet or editor."""
    return f"row {row + 2} (the header is row 1)"


def read_cells(text: str) -> list[list[Cell]]:
    """The rows of a CSV text, header included; empty lines at its end are none, unless they are rows of one column.

    Raises:
        CellError: a quote is out of place, a row has more or fewer cells than the first, or there is none in it.
    """
    rows: list[list[Cell]] = [[]]
    position = 0
    while position < len(text):
        match = _CELL.match(text, position)
        if match is None:
            raise CellError(f"{place(len(rows) - 2)}: a quote is out of place")
        quoted, plain, end = match.groups()
        rows[-1].append(Cell(plain, quoted=False) if quoted is None else Cell(quoted.replace('""', '"'), quoted=True))
        position = match.end()
        if end == "," and position == len(text):
            rows[-1].append(Cell("", quoted=False))
        elif end != "," and position < len(text):
            rows.append([])
    while len(rows[0]) > 1 and _is_empty(rows[-1]):
        rows.pop()
    for number, row in enumerate(rows[1:]):
        if len(row) != len(rows[0]):
            what = "it is empty" if _is_empty(row) else f"it has {len(row)} cells, the header has {len(rows[0])}"
            raise CellError(f"{place(number)}: {what}")
    return rows if rows[0] else []


def _is_empty(row: Sequence[Cell]) -> bool:
    """Nothing is in its line, which in a file of one column is a missing cell."""
    return len(row) == 1 and row[0].missing


def column_names(header: Sequence[Cell]) -> list[str]:
    """The names in a header.

    Raises:
        CellError: a name is there twice.
    """
    names = [cell.text for cell in header]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise CellError(f"column '{twice[0]}' is there twice")
    return names


def parse_column(name: str, column_type: Type, cells: Sequence[Cell]) -> Column:
    """The cells as a column of this type; a factor is read as its strings.

    Raises:
        CellError: a cell is not of the type; the sentence names column and row.
    """
    column_type = _WIRE_TYPES.get(column_type, column_type)
    values = np.zeros(len(cells), column_type.dtype)
    if column_type is Type.STRING:
        values[:] = ""
    mask = np.zeros(len(cells), np.bool_)
    for row, cell in enumerate(cells):
        if cell.missing:
            mask[row] = True
            continue
        try:
            values[row] = _parse(cell, column_type)
        except (ValueError, OverflowError) as error:
            hint = "" if cell.text.lower() not in _NAMES_OF_MISSING else "; a missing value is an empty cell"
            raise CellError(f"column '{name}', {place(row)}: not a {column_type}{hint}") from error
    if column_type.is_floating:
        values[mask] = np.nan
        return Column(name, column_type, values)
    return Column(name, column_type, values, mask if mask.any() else None)


def _parse(cell: Cell, column_type: Type) -> float | bool | str:
    if column_type is Type.STRING:
        return cell.text
    if cell.quoted:
        raise ValueError("text where a number or a truth value is due")
    if column_type is Type.BOOL:
        if cell.text not in _TRUTHS:
            raise ValueError("neither TRUE nor FALSE")
        return _TRUTHS[cell.text]
    if "_" in cell.text:
        raise ValueError("Python alone reads 1_0 as ten")
    if column_type.is_floating:
        value = float(cell.text)
        if abs(value) > np.finfo(column_type.dtype).max and "inf" not in cell.text.lower():
            raise OverflowError("it would become infinite")
        return value
    number = int(cell.text)
    least, most = np.iinfo(column_type.dtype).min, np.iinfo(column_type.dtype).max
    if not least <= number <= most or (column_type is Type.INT and number == least):
        raise OverflowError("outside of the type, or R's NA")
    return number


def format_cells(rows: Iterable[Sequence[Cell]]) -> str:
    """The rows as a CSV text that `read_cells` reads back."""
    return "".join(",".join(_formatted(cell) for cell in row) + "\n" for row in rows)


def _formatted(cell: Cell) -> str:
    return '"' + cell.text.replace('"', '""') + '"' if cell.quoted else cell.text
