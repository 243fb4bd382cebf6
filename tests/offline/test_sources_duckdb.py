"""A run reads the answer of a query to DuckDB, in the order that the query states."""

from pathlib import Path

import duckdb
import pytest
from source_files import CSV, all_of, values_of

from bridge.columns import Type
from bridge.row_files.source_errors import SourceError
from bridge.row_files.sources import open_source
from bridge.row_files.wanted import Wanted, WantedFeature

WANTED = Wanted((WantedFeature("x", Type.DOUBLE),), "id")


def test_the_answer_of_an_ordered_query_is_read_and_any_other_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE t AS SELECT i AS id, i / 2 AS x FROM range(50) r(i)")
    source = open_source(["#".join((f"duckdb:{path}", "SELECT id, x FROM t ORDER BY id DESC"))], CSV, WANTED)
    assert values_of(all_of(source, 20), "x") == [row / 2 for row in range(49, -1, -1)]
    assert [chunk.number for chunk in source.chunks(20, {0, 1}.__contains__)] == [2]
    source.check()
    assert source.stamps[0].path.endswith("ORDER BY id DESC")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM t", "ORDER BY"),
        ("SELECT * FROM (SELECT * FROM t ORDER BY id)", "ORDER BY"),
        ("SELECT * FROM t -- order by id", "ORDER BY"),
        ("DELETE FROM t", "one SELECT"),
        ("SELECT 1 AS x ORDER BY 1; SELECT id, x FROM t ORDER BY 1", "one SELECT"),
        ("", "one SELECT"),
        ("SELECT nothing FROM t ORDER BY 1", "refuses"),
        ("SELECT id, x, x FROM t ORDER BY 1", "two columns have the name 'x'"),
        ("SELECT content AS x FROM read_text('/etc/hostname') ORDER BY 1", "refuses"),
    ],
)
def test_a_query_that_may_give_other_rows_the_next_time_is_refused(tmp_path: Path, query: str, said: str) -> None:
    path = tmp_path / "rows.db"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE t AS SELECT i AS id, i / 2 AS x FROM range(50) r(i)")
    with pytest.raises(SourceError, match=said):
        open_source([f"duckdb:{path}#{query}"], CSV, WANTED)


def test_a_database_with_changes_outside_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE t AS SELECT i AS id, i / 2 AS x FROM range(50) r(i)")
    (tmp_path / "rows.db.wal").write_bytes(b"changes")
    with pytest.raises(SourceError, match="CHECKPOINT"):
        open_source(["#".join((f"duckdb:{path}", "SELECT id, x FROM t ORDER BY id"))], CSV, WANTED)
