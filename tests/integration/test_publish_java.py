"""The Java examples, which know of the store's layout what docs/features.md says: their batches are read as ours."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from features_commands import features
from fixtures import ROOT
from redis_servers import RedisServer, redis_store

from bridge.features.stores.group import meta_key, read_meta, row_prefix
from bridge.features.stores.packed_rows import row_format

__all__ = ["redis_store"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, built as a reader would; in a folder of their own, as Maven writes beside the sources."""
    folder = tmp_path_factory.mktemp("java") / "features"
    shutil.copytree(ROOT / "examples" / "features" / "java", folder, ignore=shutil.ignore_patterns("target"))
    done = subprocess.run(["mvn", "-q", "-B", "package"], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def java(built: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = f"{built}/target/classes:{built}/target/lib/*"
    return subprocess.run(["java", "-cp", path, *map(str, arguments)], check=False, capture_output=True, text=True)


def test_a_batch_that_java_has_written_is_read_as_ours(built: Path, redis_store: RedisServer) -> None:
    for batch in ("2026-11-23", "2026-11-24"):
        done = java(built, "PublishFeatures", redis_store.url, batch, 2500)
        assert done.stdout == f"published 2500 customers as batch {batch}\n", done.stderr
    client: Any = redis_store.client
    verified = features("verify", "shop", store=redis_store.url)
    assert (verified.code, verified.out) == (
        0,
        "ok: batch '2026-11-24': 2500 of 2500 rows\nok: batch '2026-11-23': 2500 of 2500 rows\n",
    )
    found = read_meta("shop", client.get(meta_key("shop"))).current
    assert found is not None
    rows = client.mget([row_prefix("shop", "2026-11-24") + key for key in (b"c7", b"c12", b"c9999")])
    unpacked = row_format(found.schema, found.features).unpack(rows, found.features)
    orders, city, spent = unpacked.columns
    assert (orders.values[0], city.values[0], spent.values[0]) == (7, "städt7", 0.875)
    assert [one.missing().tolist() for one in (orders, city, spent)] == [
        [False, True, True],
        [False, True, True],
        [False, False, True],
    ]
    assert "shop" in features("list", store=redis_store.url).out
    client.set("sb:{shop}:publishing", "another's")
    done = java(built, "PublishFeatures", redis_store.url, "2026-11-25", 1)
    assert "another publisher works on the group" in done.stderr


def test_orders_that_java_has_counted_are_shown(built: Path, redis_store: RedisServer) -> None:
    options = ("--feature", "orders=int", "--feature", "spent=double", "--timezone", "Europe/Berlin")
    assert features("declare", "today", *options, store=redis_store.url).code == 0
    for amount in (1.5, 2.25):
        done = java(built, "CountOrder", redis_store.url, "c7", amount)
        assert done.stdout == "counted\n", done.stderr
    shown = json.loads(features("show", "today", "--entity", "c7", "--json", store=redis_store.url).out)
    assert shown["entity"][0]["values"] == {"orders": "2", "spent": "3.75"}
    assert features("verify", "today", store=redis_store.url).out == "ok: days: 1 rows\n"
