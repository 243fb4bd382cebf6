"""The columns that the names of a file's folders state: one text for all rows of the file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bridge.columns import Column
from bridge.row_files.csv_cells import Cell, CellError
from bridge.row_files.csv_columns import read_column
from bridge.row_files.source_errors import SourceError
from bridge.row_files.wanted import Wanted

__all__ = ["Partition"]


class Partition:
    """The partition columns of a file.

    Attributes:
        texts: the text of each column by its name; None where it is missing.

    Raises:
        SourceError: the text of a feature's column is not of the feature's type.
    """

    def __init__(self, file: str, pairs: Sequence[tuple[str, str | None]], wanted: Wanted) -> None:
        self.texts: Mapping[str, str | None] = dict(pairs)
        self._columns = {name: self._converted(file, name, wanted) for name in self.texts}

    def _converted(self, file: str, name: str, wanted: Wanted) -> Column:
        text, feature = self.texts[name], wanted.feature(name)
        cell = Cell(text or "", quoted=text is not None and feature.type is None)
        try:
            return read_column(
                name, feature.type, [cell], where=lambda _: "in the name of its folder", levels=feature.levels
            )
        except CellError as error:
            if name not in {one.name for one in wanted.features}:
                return read_column(name, None, [Cell(text or "", quoted=True)], where=str)
            raise SourceError(f"{file}: {error.in_full()}") from error

    def column(self, name: str, rows: int) -> Column:
        """Returns a column to send, with this many rows."""
        return self._columns[name].take(np.zeros(rows, np.int64))

    def texts_of(self, name: str, rows: int) -> "pa.Array[Any]":
        """Returns a column to copy, with this many rows."""
        return pa.array([self.texts[name]] * rows, pa.string())
