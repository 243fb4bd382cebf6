"""The forms of an output file: Parquet, Arrow, CSV and JSON lines, written table by table."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from bridge.offline.row_texts import check_texts, csv_header, csv_lines, json_lines

__all__ = ["Kind", "TableWriter", "table_writer"]

Kind = Literal["parquet", "csv", "jsonl", "arrow", "folder"]

_GROUP_ROWS = 128_000
_GROUP_BYTES = 64 << 20


class TableWriter(Protocol):
    """Writes tables of one schema behind each other into an open file."""

    def write(self, table: pa.Table) -> None:
        """Writes the rows of a table.

        Raises:
            OSError: the file can't be written.
        """

    def close(self) -> None:
        """Writes what is left, and the end of the file; the file stays open.

        Raises:
            OSError: the file can't be written.
        """

    def drop(self) -> None:
        """Gives the file up as it is; nothing is written any more."""


def table_writer(kind: Kind, file: BinaryIO, schema: pa.Schema) -> TableWriter:
    """Returns the writer of a form; "folder" is that of a folder's files, Parquet.

    Raises:
        OutputError: this form can't hold a column.
        OSError: the file can't be written.
    """
    if kind in ("csv", "jsonl"):
        check_texts(schema)
        return _Lines(file, csv_header(schema), csv_lines) if kind == "csv" else _Lines(file, "", json_lines)
    return _Arrow(file, schema) if kind == "arrow" else _Parquet(file, schema)


class _Lines:
    def __init__(self, file: BinaryIO, header: str, lines: Callable[[pa.Table], Iterator[str]]) -> None:
        self._file = file
        self._lines = lines
        file.write(header.encode())

    def write(self, table: pa.Table) -> None:
        self._file.write("".join(self._lines(table)).encode())

    def close(self) -> None:
        pass

    def drop(self) -> None:
        pass


class _Arrow:
    def __init__(self, file: Any, schema: pa.Schema) -> None:
        self._writer = pa.ipc.new_file(file, schema)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()

    def drop(self) -> None:
        pass


class _Parquet:
    """Writes row groups that readers like, however small the tables are."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table.replace_schema_metadata(self._schema.metadata))
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def drop(self) -> None:
        self._writer.is_open = False  # else its finalizer would write to the file, which is closed by then

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._rows, self._bytes = [], 0, 0
