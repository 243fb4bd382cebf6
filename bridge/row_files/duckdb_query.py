"""The rows of a query to a DuckDB database, which is opened to be read only."""

import re
from collections.abc import Iterator, Sequence

from bridge.row_files.arrow_cursor import Group
from bridge.row_files.arrow_files import ArrowContent
from bridge.row_files.source_errors import SourceError

__all__ = ["duckdb_content", "split_query"]

_BATCH_ROWS = 16_384
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)
_PREFIX = "duckdb:"


def split_query(source: str) -> tuple[str, str]:
    """Returns the path of the database and the query in `duckdb:FILE#QUERY`."""
    path, _, query = source.removeprefix(_PREFIX).partition("#")
    return path, query.strip()


def duckdb_content(source: str) -> ArrowContent:
    """Runs the query of `duckdb:FILE#QUERY`; it must order its rows, so that a resumed run gets the same ones.

    Raises:
        SourceError: duckdb is not installed, the query has no ORDER BY, or DuckDB refuses it.
    """
    try:
        import duckdb  # noqa: PLC0415 - only who reads a database needs it
    except ImportError as error:
        raise SourceError("to read a DuckDB database, install duckdb beside the gateway") from error
    path, query = split_query(source)
    if not _ORDERED.search(query):
        raise SourceError(
            f"duckdb:{path}: the query must end in ORDER BY with columns that tell all rows apart: else a run that is"
            " resumed may get its rows in another order"
        )
    try:
        connection = duckdb.connect(path, read_only=True)
        reader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
    except duckdb.Error as error:
        said = type(error).__name__
        raise SourceError(f"duckdb:{path}: DuckDB refuses the database or the query ({said}): try it there") from None

    def groups(_: Sequence[str]) -> Iterator[Group]:
        yield None, lambda: reader

    return ArrowContent(reader.schema, groups, connection)
