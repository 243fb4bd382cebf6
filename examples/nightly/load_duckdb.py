#!/usr/bin/env python3
"""Loads a day's scores into a DuckDB file: SCORES_DUCKDB=scores.duckdb load_duckdb.py FOLDER DAY.

The table is made by the first day, with the columns of the scores and `dt`. The rows of the day are replaced, in one
transaction: if it fails, the old ones are still there.
"""

import os
import sys
from pathlib import Path

import duckdb

_LOAD = """
    CREATE TEMPORARY VIEW new_scores AS
        SELECT getvariable('day')::DATE AS dt, * FROM read_parquet(getvariable('files'), hive_partitioning = false);
    CREATE TABLE IF NOT EXISTS scores AS FROM new_scores LIMIT 0;
    DELETE FROM scores WHERE dt = getvariable('day')::DATE;
    INSERT INTO scores BY NAME FROM new_scores;
"""


def load(database: str, folder: Path, day: str) -> int:
    """Replaces the rows of a day by those in the folder; returns how many there are."""
    files = sorted(str(file) for file in folder.glob("part-*.parquet"))
    if not files:
        raise SystemExit(f"{folder} has no part-*.parquet: set NIGHTLY_OUTPUT to a folder")
    with duckdb.connect(database) as connection:  # closed before it is committed, it changes nothing
        connection.execute("SET VARIABLE files = $files", {"files": files})
        connection.execute("SET VARIABLE day = $day", {"day": day})
        connection.begin()
        connection.execute(_LOAD)
        found = connection.execute("SELECT count(*) FROM scores WHERE dt = getvariable('day')::DATE").fetchone()
        connection.commit()
    return int(found[0]) if found else 0


if __name__ == "__main__":
    named, of_day = sys.argv[1:]
    try:
        print(f"{load(os.environ['SCORES_DUCKDB'], Path(named), of_day)} rows of {of_day}")
    except duckdb.Error as error:
        raise SystemExit(f"load_duckdb: {error}") from None
