"""Reads CSV in which quotes have a meaning: `""` is an empty text, an empty cell without quotes is missing.

Python's csv module does not tell whether a cell was quoted, so it can't tell the two apart.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from bridge.row_files.csv_causes import names_cause, quote_cause, width_cause
from bridge.row_files.csv_text import LONGEST_LINE, TextError

__all__ = [
    "MOST_CELLS",
    "Cell",
    "CellError",
    "Row",
    "RowScanner",
    "column_names",
    "format_cells",
    "place",
    "read_cells",
    "read_rows",
]

_NEEDS_QUOTES = re.compile(r'[",\r\n]')
MOST_CELLS = 1 << 16  # of one row: four times the columns that a gateway takes


class CellError(TextError):
    """A cell or a row is not what it must be; the message names the place, never the content."""


class Cell(NamedTuple):
    """One cell: the text between two separators, and whether it was in quotes."""

    text: str
    quoted: bool

    @property
    def missing(self) -> bool:
        """Whether the cell is missing: empty and not in quotes."""
        return not self.quoted and not self.text

    @classmethod
    def of(cls, value: object) -> Self:
        """Makes the cell of a Python value: a number has all its digits, text is quoted, None and NaN are missing."""
        if value is None or value != value:  # noqa: PLR0124 - NaN alone differs from itself
            return cls("", quoted=False)
        if isinstance(value, str):
            return cls(value, quoted=True)
        if isinstance(value, bool):
            return cls(str(value).upper(), quoted=False)
        return cls(f"{value:.17g}" if isinstance(value, float) else str(value), quoted=False)


class Row(NamedTuple):
    """The cells of one row, and the number of the line in which it begins; the first line of the file is 1."""

    cells: list[Cell]
    line: int


def place(row: int, line: int = 0, *, header: bool = True) -> str:
    """Returns how messages name a row of the file: by its number in a spreadsheet, which begins with row 1.

    Args:
        row: the row's number; 0 is the first one behind the header.
        line: the line in which it begins, 1 for the first; it is added where it differs from the row's number, as
            below a cell of several lines. 0 adds none.
        header: whether the file has a header.
    """
    number = row + 1 + header
    notes = ["the header is row 1"] if header else []
    notes += [f"line {line}"] if line not in (0, number) else []
    return f"row {number} ({'; '.join(notes)})" if notes else f"row {number}"


def read_cells(text: str) -> list[list[Cell]]:
    """Returns the rows of a CSV text, with the header; empty lines at its end are rows only if there is one column.

    Raises:
        CellError: see `read_rows`.
    """
    return [row.cells for row in read_rows(io.StringIO(text, newline=""))]


def read_rows(lines: Iterable[str], separator: str = ",", *, header: bool = True, before: int = 0) -> Iterator[Row]:
    """Yields the rows of a CSV file, with the header; empty lines at the end are rows only if there is one column.

    A cell is quoted from its first character to its last or not at all; two quotes within quotes stand for one.

    Args:
        lines: the lines with their ends, which are LF, CRLF or CR.
        separator: the character between cells.
        header: whether the first row is a header; this only changes how messages count rows.
        before: how many lines of the file come before these.

    Raises:
        CellError: a quote is out of place or never closed, a row has more or fewer cells than the first, or more
            than 65,536, or more than 4 Mi characters.
    """
    scanner = RowScanner(lines, separator, header=header, before=before)
    first: list[Cell] = []
    empty = skipped = 0
    for row in scanner.rows():
        first = first or row.cells
        if len(first) > 1 and _is_empty(row.cells):
            empty = empty or row.line  # empty lines at the end of the file are not rows
            skipped += 1
            continue
        if empty:
            raise CellError(f"{scanner.place_of(empty, -skipped)}: the row is empty")
        if len(row.cells) != len(first):
            raise _wrong_width(scanner, first, row)
        yield row


def _is_empty(row: Sequence[Cell]) -> bool:
    """Whether the line of a row is empty; in a file of one column that is a missing cell."""
    return len(row) == 1 and row[0].missing


class RowScanner:
    """Splits lines into rows of cells, however many each has, and counts rows and lines for messages.

    Args:
        lines: the lines with their ends, which are LF, CRLF or CR.
        separator: the character between cells.
        header: whether the first row is a header; this only changes how messages count rows.
        before: how many lines of the file come before these.
    """

    def __init__(self, lines: Iterable[str], separator: str, *, header: bool, before: int) -> None:
        self.separator = separator
        self.header = header
        self._lines = iter(lines)
        self._line = before
        self._row = -1 - header
        self._size = 0

    def place_of(self, line: int, further: int = 0) -> str:
        """Returns the name of the place of a row that begins in a line: the last one read, or one `further` rows on."""
        return place(self._row + further, line, header=self.header)

    def rows(self) -> Iterator[Row]:
        """Yields all rows; an empty line is a row of one cell.

        Raises:
            CellError: a quote is out of place or never closed, or a row has more than 65,536 cells or 4 Mi characters.
        """
        while line := self._next_line():
            self._row += 1
            begin, self._size = self._line, 0
            if '"' in line:
                cells = self._cells(line, begin)
            else:
                cells = [Cell(text, quoted=False) for text in line.rstrip("\r\n").split(self.separator)]
            if len(cells) > MOST_CELLS:
                raise CellError(f"{self.place_of(begin)}: it has more than {MOST_CELLS} cells")
            yield Row(cells, begin)

    def pass_over(self, rows: int) -> None:
        """Counts rows of one line each that were taken from the lines before they came here."""
        self._line += rows
        self._row += rows

    def _next_line(self) -> str:
        line = next(self._lines, "")
        self._line += bool(line)
        return line

    def _cells(self, line: str, begin: int) -> list[Cell]:
        """Returns the cells of a row that has quotes, and so may go on in the next lines."""
        cells: list[Cell] = []
        at = 0
        while True:
            if quoted := line.startswith('"', at):
                text, line, at = self._quoted(line, at + 1, begin)
            else:
                end = line.find(self.separator, at)
                text = line[at:end] if end >= 0 else line[at:].rstrip("\r\n")
                text = text.partition('"')[0]
                at += len(text)
            cells.append(Cell(text, quoted))
            behind = line[at : at + 1]
            if behind != self.separator and behind not in "\r\n":
                remedy = quote_cause(text, behind if quoted else "", self.separator)
                raise CellError(f"{self.place_of(begin)}: a quote is out of place", remedy)
            if behind != self.separator:
                return cells
            at += 1

    def _quoted(self, line: str, at: int, begin: int) -> tuple[str, str, int]:
        """Reads a quoted cell from behind its first quote; returns its text, and the line and place where it ends."""
        opened, parts = self._line, list[str]()
        while True:
            close = line.find('"', at)
            if close >= 0:
                doubled = line.startswith('"', close + 1)
                parts.append(line[at : close + doubled])
                at = close + 1 + doubled
                if not doubled:
                    return "".join(parts), line, at
                continue
            parts.append(line[at:])
            self._size += len(line)
            line, at = self._next_line(), 0
            if not line or self._size > LONGEST_LINE:
                within = f" within {LONGEST_LINE} characters" if line else ""
                remedy = f"the quote that opens a cell in line {opened} is never closed{within}"
                raise CellError(f"{self.place_of(begin)}: a quote is out of place", remedy)


def _wrong_width(scanner: RowScanner, first: Sequence[Cell], row: Row) -> CellError:
    texts = [cell.text for cell in row.cells]
    remedy = width_cause(
        [cell.text for cell in first],
        texts,
        scanner.separator,
        first_quoted=row.cells[0].quoted,
        named=scanner.header,
    )
    of = "the header" if scanner.header else "the first row"
    where = scanner.place_of(row.line)
    return CellError(f"{where}: it has {len(texts)} cells, {of} has {len(first)}", remedy)


def column_names(header: Sequence[Cell]) -> list[str]:
    """Returns the names in a header.

    Raises:
        CellError: a name is there twice.
    """
    names = [cell.text for cell in header]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice and (cause := names_cause(names)):
        raise CellError(
            "two columns have the same name", cause
        )  # the names may be a row's values, which no message may repeat
    if twice:
        raise CellError(f"column '{twice[0]}' is there twice")
    return names


def format_cells(rows: Iterable[Sequence[Cell]]) -> str:
    """Returns rows as a CSV text, from which `read_cells` reads the same rows."""
    return "".join(",".join(_formatted(cell) for cell in row) + "\n" for row in rows)


def _formatted(cell: Cell) -> str:
    if cell.quoted or _NEEDS_QUOTES.search(cell.text):  # the cell may come from a file with another separator
        return '"' + cell.text.replace('"', '""') + '"'
    return cell.text
