"""A batch that Spark's executors write: with tasks that fail and come again, and from the example."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from features_commands import features, write_users
from fixtures import ROOT
from redis_servers import RedisServer, redis_store

__all__ = ["redis_store"]

PYTHON = ROOT / ".spark" / "bin" / "python"
HERE = Path(__file__).parent
PATHS = f"{ROOT}:{ROOT / 'clients' / 'python'}:{ROOT / 'tests'}"
EXAMPLE = ROOT / "examples" / "features" / "publish_spark.py"
ROWS = 3000
TWICE = (
    "batch '2026-11-24' of group 'users' has 3000 rows in the store instead of 3001: the store has evicted some, or an"
    " entity is in two parts; see maxmemory-policy, and publish again"
)
pytestmark = pytest.mark.timeout(300)


def test_executors_publish_a_batch(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet", ROWS)
    done = subprocess.run(
        [PYTHON, HERE / "publish_session.py", path, EXAMPLE, redis_store.url],
        env=os.environ | {"PYTHONPATH": PATHS, "SPARK_LOCAL_IP": "127.0.0.1", "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-10_000:]
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        ROWS,
        TWICE,
        {"group": "users", "batch": "2026-11-24", "entities": ROWS},
    ]
    assert features("verify", "users", store=redis_store.url).out == (
        "ok: batch '2026-11-24': 3000 of 3000 rows\nok: batch '2026-11-23': 3000 of 3000 rows\n"
    )
    shown = json.loads(features("show", "users", "--entity", "1234", "--json", store=redis_store.url).out)
    values = {"orders": 1234, "spent": 1234 / 8, "city": "städt1234", "member": False}
    assert [one["values"] for one in shown["entity"]] == [values, values]
