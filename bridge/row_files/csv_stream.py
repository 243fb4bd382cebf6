"""The rows of a CSV file in order: many lines at once as a block where that is possible, else scanned one by one."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from bridge.row_files.csv_block import Block, split_block
from bridge.row_files.csv_cells import Cell, Row, RowScanner
from bridge.row_files.csv_dialect import Dialect

__all__ = ["RowStream"]


class _Lines:
    """Lines of which some may be taken ahead and given back; an error comes when all lines before it are gone."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._back = iter(list[str]())
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if line := next(self._back, ""):
            return line
        if self._error is not None:
            raise self._error
        return next(self._lines)

    def take(self, count: int) -> list[str]:
        """Returns the next lines, fewer at the end; none if there is an error among them, which then is to come."""
        taken = list(islice(self._back, count))
        try:
            if self._error is None:
                taken.extend(islice(self._lines, count - len(taken)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised behind the lines before it
            self._error = error
        if self._error is None:
            return taken
        self.give_back(taken)
        return []

    def give_back(self, lines: list[str]) -> None:
        self._back = iter([*lines, *self._back])


class RowStream:
    """Reads the rows behind the header, however many cells each has; an empty line is a row of one cell.

    Empty lines at the end are no rows where the first row has more than one cell.

    Attributes:
        first: the cells of the first row, which is the header if there is one; empty if there is no row.

    Args:
        lines: the lines with their ends, which are LF, CRLF or CR.
        dialect: how the file is written.
        before: how many lines of the file come before these.

    Raises:
        CellError: a quote is out of place or never closed, or a row has more than 65,536 cells or 4 Mi characters;
            methods raise it too, and whatever the lines raise.
    """

    def __init__(self, lines: Iterator[str], dialect: Dialect, before: int) -> None:
        self._separator = dialect.separator
        self._lines = _Lines(lines)
        seen: list[str] = []
        ahead = RowScanner(self._noted(seen), dialect.separator, header=dialect.header, before=before)
        self.first: list[Cell] = next((row.cells for row in ahead.rows()), [])
        self._lines.give_back(seen)
        self._scanner = RowScanner(self._lines, dialect.separator, header=dialect.header, before=before)
        self._scanned = self._scanner.rows()
        self._ahead = deque[Row]()  # rows that were read to see whether more come behind empty lines
        if dialect.header:
            next(self._scanned, None)

    def _noted(self, seen: list[str]) -> Iterator[str]:
        for line in self._lines:
            seen.append(line)
            yield line

    def block(self, rows: int, width: int) -> Block | None:
        """Returns the next rows at once, fewer at the end; None if they must be scanned, or if there are no more.

        Args:
            rows: the most rows to return.
            width: how many cells each of them must have.
        """
        if self._ahead:
            return None
        lines = self._lines.take(rows)
        block = split_block(lines, self._separator, width)
        if block is None:
            self._lines.give_back(lines)
        else:
            self._scanner.pass_over(len(lines))
        return block

    def scan(self, rows: int) -> Iterator[Row]:
        """Yields the next rows, fewer at the end."""
        for _ in range(rows):
            if not self._ahead:
                self._look_ahead()
            if not self._ahead:
                return
            yield self._ahead.popleft()

    def _look_ahead(self) -> None:
        for row in self._scanned:
            self._ahead.append(row)
            if len(self.first) == 1 or len(row.cells) > 1 or not row.cells[0].missing:
                return
        self._ahead.clear()  # they are the empty lines at the end
