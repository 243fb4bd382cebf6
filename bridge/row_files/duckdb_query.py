"""The rows of a query to a DuckDB database, which is opened to be read only."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bridge.row_files.arrow_cursor import Group
from bridge.row_files.arrow_files import ArrowContent
from bridge.row_files.source_errors import SourceError

__all__ = ["duckdb_content", "split_query"]

_BATCH_ROWS = 16_384
# One thread, so that rows of equal rank come in the same order again; and nothing but the database, whose change the
# stamp would show: no other file, and no variable of this process as a table.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "enable_external_access": False,
    "python_enable_replacements": False,
}
_PREFIX = "duckdb:"


def split_query(source: str) -> tuple[str, str]:
    """Returns the path of the database and the query in `duckdb:FILE#QUERY`."""
    path, _, query = source.removeprefix(_PREFIX).partition("#")
    return path, query.strip()


def duckdb_content(source: str) -> ArrowContent:
    """Runs the query of `duckdb:FILE#QUERY`; it must order its rows, so that a resumed run gets the same ones.

    Raises:
        SourceError: duckdb is not installed, the database has changes outside its file, the query is not one SELECT
            with ORDER BY, reads another file, or DuckDB refuses it.
    """
    try:
        import duckdb  # noqa: PLC0415 - only who reads a database needs it
    except ImportError as error:
        raise SourceError("to read a DuckDB database, install duckdb beside the gateway") from error
    path, query = split_query(source)
    _check_log(path)
    connection: Any = None
    try:
        connection = duckdb.connect(path, read_only=True, config=_CONFIG)
        _check_query(connection, path, query)
        reader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
    except (duckdb.Error, SourceError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, SourceError):
            raise
        said = type(error).__name__  # its message may hold values
        raise SourceError(f"duckdb:{path}: DuckDB refuses the database or the query ({said}): try it there") from None

    def groups(_: Sequence[str]) -> Iterator[Group]:
        yield None, lambda: reader

    return ArrowContent(reader.schema, groups, connection)


def _check_log(path: str) -> None:
    log = Path(f"{path}.wal")
    if log.exists() and log.stat().st_size:
        raise SourceError(
            f"duckdb:{path} has changes that are not in the file itself, but in {log.name}: close the program that"
            " writes to it, or run CHECKPOINT there"
        )


def _check_query(connection: Any, path: str, query: str) -> None:
    """Checks by DuckDB's own parser that the query is one SELECT whose rows have an order."""
    parsed = json.loads(connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()[0][0])
    statements = parsed.get("statements", ())
    if len(statements) != 1:
        raise SourceError(f"duckdb:{path}: the query must be one SELECT: mend it")
    if "ORDER_MODIFIER" not in [one.get("type") for one in statements[0]["node"].get("modifiers", ())]:
        raise SourceError(
            f"duckdb:{path}: the query must end in ORDER BY with columns that tell all rows apart: else a run that is"
            " resumed may get its rows in another order"
        )
