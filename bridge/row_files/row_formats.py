"""Which reader a file of rows gets, by its format."""

from bridge.row_files.arrow_files import ArrowFile, ipc_content, parquet_content
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.csv_rows import CsvRows
from bridge.row_files.duckdb_query import duckdb_content, split_query
from bridge.row_files.input_files import InputFile
from bridge.row_files.json_rows import JsonRows
from bridge.row_files.row_file import RowFile
from bridge.row_files.wanted import Wanted

__all__ = ["database_path", "open_row_file"]


def open_row_file(file: InputFile, dialect: Dialect, wanted: Wanted) -> RowFile:
    """Returns a file of the input, whose columns were read and fit what is wanted.

    Raises:
        SourceError: the file can't be read, or its columns don't fit.
    """
    if file.format == "csv":
        return CsvRows(file, dialect, wanted)
    if file.format == "json":
        return JsonRows(file, wanted)
    if file.format == "duckdb":
        return ArrowFile(file, wanted, duckdb_content)
    return ArrowFile(file, wanted, parquet_content if file.format == "parquet" else ipc_content)


def database_path(file: InputFile) -> str:
    """Returns the path of the file on the disk, of a database without the query."""
    return split_query(file.path)[0] if file.format == "duckdb" else file.path
