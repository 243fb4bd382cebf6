"""Reads a CSV file of rows in any dialect: its names and cells, and the place of each row."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from bridge.row_files.csv_causes import separator_name
from bridge.row_files.csv_cells import Cell, Row, place, read_rows
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.csv_text import TextError, read_lines

__all__ = ["CsvFile", "read_csv", "stream_rows", "text_lines"]

_PIECE_BYTES = 1 << 16
_SEP_LINE = re.compile(r'"?sep=([^\r\n])"?[\r\n]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CsvFile:
    """The rows of a CSV file.

    Attributes:
        dialect: the dialect with which it was read.
        header: the cells of the header; None if the dialect has no header.
        rows: the rows without the header.
    """

    dialect: Dialect
    header: list[Cell] | None
    rows: list[Row]

    def place(self, row: int) -> str:
        """Returns how messages name a row: by its number in a spreadsheet; `row` 0 is the first behind the header."""
        return place(row, self.rows[row].line, header=self.dialect.header)

    def cells(self, column: int) -> list[Cell]:
        """Returns the cells of a column by its position, one for each row."""
        return [row.cells[column] for row in self.rows]


def read_csv(path: Path, dialect: Dialect) -> CsvFile:
    """Reads a whole CSV file.

    Raises:
        TextError: the file is empty, or not CSV in this dialect; see `stream_rows`.
        OSError: the file can't be read.
    """
    rows = list(stream_rows(path, dialect))
    if not rows:
        raise TextError(f"there is no {'header' if dialect.header else 'row'} in it")
    return CsvFile(dialect, rows.pop(0).cells if dialect.header else None, rows)


def stream_rows(path: Path, dialect: Dialect) -> Iterator[Row]:
    """Yields the rows of a CSV file, with the header; Excel's line `sep=` before them is ignored.

    Raises:
        TextError: bytes are not text in the encoding, or the text is not CSV; the message names the place, and its
            `remedy` what to do.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        lines, before = text_lines(file, dialect)
        yield from read_rows(lines, dialect.separator, header=dialect.header, before=before)


def text_lines(file: BinaryIO, dialect: Dialect) -> tuple[Iterator[str], int]:
    """Returns the lines of a CSV file and how many come before them: Excel's line `sep=` is ignored.

    Args:
        file: the file, at its beginning.
        dialect: how it is written.

    Raises:
        TextError: bytes are not text in the encoding, or Excel's line states another separator; the lines raise it too.
    """
    lines = read_lines(iter(lambda: file.read(_PIECE_BYTES), b""), dialect.encoding)
    first = next(lines, "")
    said = _SEP_LINE.fullmatch(first)
    if said and said[1] != dialect.separator:
        option = f"--separator {separator_name(said[1])}"
        raise TextError("line 1 is Excel's own sep= line", f"use {option}, and the line is ignored")
    return (lines if said or not first else chain([first], lines)), 1 if said else 0
