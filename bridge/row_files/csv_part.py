"""Neighbouring rows of a CSV file as columns, whether they were scanned or split at once: with the same meaning."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bridge.columns import Array, Column, Mask, Type
from bridge.row_files.csv_block import Block
from bridge.row_files.csv_cells import Cell
from bridge.row_files.csv_columns import whole_range
from bridge.row_files.csv_field import Field

__all__ = ["CsvPart", "Read", "block_part", "scanned_part"]

_NO_KEY = ("", "NA", "\\N")
_EXACT_CHARACTERS = 15  # two numbers of so few digits are the same double only if they are the same number

Read = tuple[Column, dict[int, str]]  # a column, and a sentence for each row that has no value of its type


class CsvPart(Protocol):
    """Neighbouring rows of the same width; columns are given by their position in the file.

    Attributes:
        rows: the number of rows.
    """

    rows: int

    def columns(self, fields: Sequence[Field]) -> list[Read]:
        """Returns the columns to send, each with a sentence for each row that has no value of the column's type."""

    def copied(self, at: int) -> Any:
        """Returns a column to copy as a `pyarrow.StringArray`, with null where a cell is missing."""

    def keys(self, at: int) -> list[str]:
        """Returns the row keys in a column, empty where a row has none."""


def scanned_part(rows: Sequence[Sequence[Cell]]) -> CsvPart:
    """Returns rows that were scanned one by one, all of the same width."""
    return _ScannedPart(rows)


def block_part(block: Block) -> CsvPart:
    """Returns rows that were split at once: the same as if they had been scanned."""
    return _BlockPart(block)


class _ScannedPart:
    def __init__(self, rows: Sequence[Sequence[Cell]]) -> None:
        self.rows = len(rows)
        self._columns = list(zip(*rows, strict=True))

    def columns(self, fields: Sequence[Field]) -> list[Read]:
        refused = [dict[int, str]() for _ in fields]
        return [(field.read(self._columns[field.at], row), row) for field, row in zip(fields, refused, strict=True)]

    def copied(self, at: int) -> Any:
        return pa.array([None if cell.missing else cell.text for cell in self._columns[at]], pa.string())

    def keys(self, at: int) -> list[str]:
        return [_key(cell.text, quoted=cell.quoted) for cell in self._columns[at]]


class _BlockPart:
    """Reads plain numbers at once, and any other cell as in scanned rows, but once for all rows of a column."""

    def __init__(self, block: Block) -> None:
        self.rows = block.rows
        self._block = block

    def columns(self, fields: Sequence[Field]) -> list[Read]:
        types = [field.type for field in fields]
        numbers = [at for at, one in enumerate(types) if one not in {Type.STRING, Type.BOOL}]
        plain: dict[int, tuple[Array, Mask]] = {}
        if numbers:
            found = self._block.numbers([fields[at].at for at in numbers], fields[0].decimal)
            for at, values, taken, lengths in zip(numbers, *found, strict=True):
                plain[at] = _of_type(types[at], values, taken, lengths)
        return [self._column(field, plain.get(at)) for at, field in enumerate(fields)]

    def copied(self, at: int) -> Any:
        return self._block.copied(at)

    def keys(self, at: int) -> list[str]:
        pairs = zip(self._block.texts(at), self._block.quoted[:, at].tolist(), strict=True)
        return [_key(text, quoted=quoted) for text, quoted in pairs]

    def _column(self, field: Field, plain: tuple[Array, Mask] | None) -> Read:
        rest = np.arange(self.rows) if plain is None else np.flatnonzero(~plain[1])
        if plain is not None and not len(rest):
            return Column(field.feature.name, field.type, plain[0]), {}
        cells, which = self._block.distinct(field.at, rest)
        refused_cells: dict[int, str] = {}
        read = field.read(cells, refused_cells)
        values = np.empty(self.rows, read.type.dtype) if plain is None else plain[0]
        values[rest] = read.values[which]
        mask = None
        if read.mask is not None:
            mask = np.zeros(self.rows, np.bool_)
            mask[rest] = read.mask[which]
        refused = {}
        if refused_cells:
            pairs = zip(rest.tolist(), which.tolist(), strict=True)
            refused = {row: refused_cells[cell] for row, cell in pairs if cell in refused_cells}
        return Column(read.name, read.type, values, mask), refused


def _key(text: str, *, quoted: bool) -> str:
    return "" if text in _NO_KEY and not quoted else text


def _of_type(column_type: Type, values: Array, taken: Mask, lengths: Array) -> tuple[Array, Mask]:
    """Returns numbers as values of a type, and which of those taken are; the others hold anything."""
    if column_type is Type.DOUBLE:
        return values, taken
    least, most = whole_range(column_type)
    taken = taken & (lengths <= _EXACT_CHARACTERS) & (values == np.floor(values)) & (values >= least) & (values <= most)
    return np.where(taken, values, 0).astype(column_type.dtype), taken
