"""What a run needs of a file of its input, whatever the format: what its columns are, and its rows in order."""

from collections.abc import Mapping
from typing import Any, Protocol

from bridge.row_files.input_chunk import InputChunk

__all__ = ["RowFile", "RowReader"]


class RowReader(Protocol):
    """Reads the rows of a file once, from the first to the last."""

    def skip(self, rows: int) -> int:
        """Passes over so many rows without converting them; returns how many there were."""

    def read(self, rows: int, number: int, first: int) -> InputChunk | None:
        """Returns the next rows as a chunk; None if there are no more.

        Args:
            rows: the most rows to read.
            number: the number of the chunk.
            first: the number of its first row in the file, from 0.

        Raises:
            SourceError: the file can't be read.
        """

    def position(self) -> int:
        """Returns how many bytes of the file were read, about."""

    def close(self) -> None:
        """Closes the file; may be called more than once."""


class RowFile(Protocol):
    """A file whose columns are known and fit what the run wants.

    Attributes:
        types: the name of the type of each column that the run takes; empty for one whose values say nothing of it.
        echo_schema: the `pyarrow.Schema` of the columns to copy.
        rows: the number of its rows, if it is stated in the file; else None.
        row_groups: the rows of each row group of a Parquet file; empty for other formats.
    """

    types: Mapping[str, str]
    echo_schema: Any
    rows: int | None
    row_groups: tuple[int, ...]

    def open(self) -> RowReader:
        """Opens the file to read its rows."""
