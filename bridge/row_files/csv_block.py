"""Splits many lines of CSV at once, where every row is one line with as many cells as the others.

What can't be split so is scanned row by row: this module never decides what a row means that it does not understand.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bridge.columns import DOUBLE_EXACT, Array, Mask
from bridge.row_files.csv_cells import Cell

__all__ = ["Block", "split_block"]

_LF, _QUOTE = ord("\n"), ord('"')
_MOST_BYTES = 2**31 - 1  # Arrow's offsets have 32 bits
_NONZERO, _FOREIGN = 1, 2  # kinds of characters; a cell has the kinds of all its characters


class Block:
    """Neighbouring rows, each of them one line with the same number of cells.

    Attributes:
        rows: the number of rows.
        width: the number of cells of each row.
        quoted: whether a cell is in quotes, shape (rows, width).
    """

    def __init__(self, text: bytes, separator: str, ends: Array, width: int) -> None:
        content = np.frombuffer(text, np.uint8)
        self._text, self._separator = text, separator
        self._starts = np.concatenate([[0], ends[:-1] + 1])
        self.rows, self.width = len(ends) // width, width
        quoted = content[self._starts] == _QUOTE
        self.quoted: Mask = quoted.reshape(self.rows, width)
        # Arrow's texts follow each other without a gap: every other one is what stands between two cells.
        bounds: Any = np.empty(2 * len(ends) + 1, np.int32)
        bounds[:-1:2] = self._starts + quoted
        bounds[1::2] = ends - quoted
        bounds[-1] = len(text)
        self._lengths: Array = bounds[1::2] - bounds[:-1:2]
        self._texts = pa.StringArray.from_buffers(2 * len(ends), pa.py_buffer(bounds), pa.py_buffer(text))

    def _cells(self, places: Array) -> Any:
        return self._texts.take(pa.array(2 * places))

    def _places(self, column: int) -> Array:
        return np.arange(column, self.rows * self.width, self.width)

    def texts(self, column: int) -> list[str]:
        """Returns the texts of a column by its position."""
        texts: list[str] = self._cells(self._places(column)).to_pylist()
        return texts

    def copied(self, column: int) -> Any:
        """Returns a column by its position as a `pyarrow.StringArray`, with null where a cell is missing."""
        places = self._places(column)
        missing = (self._lengths[places] == 0) & ~self.quoted[:, column]
        return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), self._cells(places))

    def distinct(self, column: int, rows: Array) -> tuple[list[Cell], Array]:
        """Returns the cells that some rows have in a column, each once, and which of them each of these rows has."""
        texts = self._cells(self._places(column)[rows]).dictionary_encode()
        words = texts.dictionary.to_pylist()
        codes = 2 * texts.indices.to_numpy().astype(np.int64) + self.quoted[rows, column]
        found, which = np.unique(codes, return_inverse=True)
        return [Cell(words[code >> 1], quoted=bool(code & 1)) for code in found.tolist()], which

    def numbers(self, columns: Sequence[int], decimal: str) -> tuple[Array, Mask, Array]:
        """Returns the cells that without doubt are numbers that a double states: what is left out may be one too.

        A cell is taken if it consists of digits, signs, decimal marks and exponents only, if Arrow, which rounds
        correctly, takes it for a number, and if that is less than 2^53, and not 0 because it is too near to it.

        Args:
            columns: the positions of the columns.
            decimal: the decimal mark.

        Returns:
            The numbers, whether a cell was taken, and how many characters it has, each of the shape (columns, rows).
        """
        places = np.add.outer(np.asarray(columns, np.int64), self._places(0))
        kinds = self._kinds(decimal)[places]
        lengths = self._lengths[places]
        taken = (kinds & _FOREIGN == 0) & (lengths > 0)
        values = np.full(taken.shape, np.nan)
        if (all_values := self._cast(places[taken], decimal)) is not None:
            values[taken] = all_values
        else:  # at least one cell is like 1-2: its column is left out
            for at in range(len(taken)):
                column = self._cast(places[at][taken[at]], decimal)
                if column is None:
                    taken[at] = False
                else:
                    values[at][taken[at]] = column
        taken &= (np.abs(values) < DOUBLE_EXACT) & ((values != 0) | (kinds & _NONZERO == 0))
        return values, taken, lengths

    def _kinds(self, decimal: str) -> Array:
        table = np.full(256, _FOREIGN, np.uint8)
        table[list(b'0+-eE"\n')] = 0
        table[list(b"123456789")] = _NONZERO
        table[[ord(decimal), ord(self._separator)]] = 0
        return np.bitwise_or.reduceat(np.frombuffer(self._text.translate(table.tobytes()), np.uint8), self._starts)

    def _cast(self, places: Array, decimal: str) -> Array | None:
        """Returns the numbers of cells by their places in the block; None if one of them is no number."""
        texts = self._cells(places)
        if decimal != ".":
            texts = pc.replace_substring(texts, decimal, ".")
        try:
            values: Array = texts.cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        return values


def split_block(lines: Sequence[str], separator: str, width: int) -> Block | None:
    """Splits lines of CSV, each of which must be a row of its own; None if they have to be scanned.

    So have rows of several lines or of another width, cells that hold a quote, and quotes that are out of place.

    Args:
        lines: the lines with their ends, which are LF, CRLF or CR; the last one may have none.
        separator: the character between cells.
        width: how many cells a row must have.
    """
    if not lines or not separator.isascii():
        return None
    text = "\n".join([line.rstrip("\r\n") for line in lines] + [""]).encode()
    if len(text) > _MOST_BYTES:
        return None
    content = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((content == ord(separator)) | (content == _LF))
    quotes = np.flatnonzero(content == _QUOTE)
    if len(quotes):
        if not _in_pairs(content, quotes, separator):
            return None
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    # There are as many LF as lines. If each of them ends a row of this width, none is within quotes, and no row has
    # another width.
    if len(ends) != len(lines) * width or (content[ends[width - 1 :: width]] != _LF).any():
        return None
    return Block(text, separator, ends, width)


def _in_pairs(content: Array, quotes: Array, separator: str) -> bool:
    """Whether quotes begin and end whole cells and stand nowhere else; `content` ends with LF."""
    if len(quotes) % 2:
        return False
    bounds = np.array([ord(separator), _LF], np.uint8)
    before, behind = content[quotes[::2] - 1], content[quotes[1::2] + 1]  # before the first character is the last LF
    return bool(np.isin(before, bounds).all() and np.isin(behind, bounds).all())
