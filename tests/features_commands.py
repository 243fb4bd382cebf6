"""`scorebridge features`, run in the test's own process, and rows to publish."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from bridge.cli.app import app

__all__ = ["Done", "features", "write_users"]


class Done(NamedTuple):
    """How the command ended, and what it said."""

    code: int
    out: str
    err: str


def features(*arguments: object, store: str) -> Done:
    """Runs the command against a store."""
    done = CliRunner().invoke(app, ["features", *map(str, arguments), "--store", store])
    return Done(done.exit_code, done.stdout, done.stderr)


def write_users(path: Path, count: int = 10, **columns: Any) -> Path:
    """Writes a Parquet file of users, with these columns instead of or beside the usual ones."""
    usual: dict[str, Any] = {
        "user_id": pa.array(range(count), pa.int64()),
        "orders": pa.array([row if row % 4 else None for row in range(count)], pa.int32()),
        "spent": pa.array([row / 8 for row in range(count)], pa.float64()),
        "city": pa.array([f"städt{row}" if row % 3 else None for row in range(count)], pa.string()),
        "member": pa.array([bool(row % 2) for row in range(count)], pa.bool_()),
    }
    pq.write_table(pa.table(usual | columns), path)
    return path
