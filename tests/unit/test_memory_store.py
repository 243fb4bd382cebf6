"""A store in memory: what a Parquet file gives, what it must be, and what happens when it changes."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from waiting import eventually, moment

from bridge.columns import Type
from bridge.features.stores.group import FeatureBatch, GroupFeature, row_prefix
from bridge.features.stores.memory_store import MemoryStore
from bridge.features.stores.packed_rows import row_format
from bridge.lookup_errors import StoreUnavailable
from bridge.store_settings import StoreSettings

METADATA = {"scorebridge.key": "user_id", "scorebridge.batch": "2026-11-24"}


def write(path: Path, metadata: dict[str, str] = METADATA, **columns: Any) -> Path:
    """Writes a file as programs do that want no reader to see half of it."""
    usual: dict[str, Any] = {
        "user_id": pa.array([7, 8, 42], pa.int64()),
        "orders": pa.array([1, None, 3], pa.int32()),
        "spent": pa.array([0.5, 1.5, None], pa.float32()),
        "city": pa.array(["a", None, "ü"]).dictionary_encode(),
    }
    beside = path.with_suffix(".new")
    pq.write_table(pa.table(usual | columns).replace_schema_metadata(metadata), beside)
    beside.rename(path)
    return path


@asynccontextmanager
async def opened(path: Path, **settings: Any) -> AsyncIterator[MemoryStore]:
    store = MemoryStore("shop", StoreSettings(url=f"memory:{path}", refresh_s=0.01, **settings))
    await store.start()
    try:
        yield store
    finally:
        await store.close()
        await store.close()


def soon() -> float:
    return asyncio.get_running_loop().time() + 30


async def current(store: MemoryStore) -> FeatureBatch:
    group = (await store.look("users", soon())).group
    assert group is not None
    assert group.current is not None
    return group.current


async def refusal(path: Path, **settings: Any) -> str:
    """Why no call gets an answer."""
    async with opened(path, **settings) as store:
        with pytest.raises(StoreUnavailable) as caught:
            await store.look("users", soon())
        with pytest.raises(StoreUnavailable):
            await store.rows([b"x"], soon())
        assert str(caught.value) == f"store 'shop': {store.state}"
        assert store.snapshot("users") is None
        return store.state


async def test_a_file_is_a_group_named_as_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "users.parquet")
    os.utime(path, ns=(0, 1_796_000_000_123_456_789))
    async with opened(path) as store:
        batch = await current(store)
        assert (store.name, store.state) == ("shop", "")
        assert (batch.name, batch.entities, batch.published_ms) == ("2026-11-24", 3, 1_796_000_000_123)
        assert [(one.name, one.type) for one in batch.features] == [
            ("orders", Type.INT),
            ("spent", Type.DOUBLE),
            ("city", Type.STRING),
        ]
        prefix = row_prefix("users", "2026-11-24")
        rows = await store.rows([prefix + key for key in (b"42", b"9", b"7", b"8")] + [b"other"], soon())
        unpacked = row_format(batch.schema, batch.features).unpack(rows, batch.features)
        assert unpacked.found.tolist() == [True, False, True, True, False]
        orders, spent, city = (column.values.tolist() for column in unpacked.columns)
        assert (orders[0], orders[2], spent[2], city[0], city[2]) == (3, 1, 0.5, "ü", "a")
        assert unpacked.columns[1].missing().tolist() == [True, True, False, False, True]
        other = store.snapshot("nobody")
        assert other is not None
        assert other.group is None
        assert abs(other.now_ms - time.time() * 1000) < 60_000
        with pytest.raises(StoreUnavailable, match="holds no stream's groups"):
            await store.hashes([b"x"], [b"y"], soon())


async def test_a_new_file_makes_the_old_batch_the_previous_one(tmp_path: Path) -> None:
    path = write(tmp_path / "users.parquet")
    async with opened(path) as store:
        first = await current(store)
        write(path, METADATA | {"scorebridge.batch": "2026-11-25"}, orders=pa.array([4, 5, 6], pa.int64()))

        def seen() -> bool:
            found = store.snapshot("users")
            return found is not None and found.group is not None and found.group.previous is not None

        await eventually(seen)
        second = await current(store)
        assert (second.name, second.schema, first.schema) == ("2026-11-25", 2, 1)
        found = store.snapshot("users")
        assert found is not None
        assert found.group is not None
        assert found.group.previous == first
        keys = [row_prefix("users", batch.name) + b"7" for batch in (first, second)]
        old, new = await store.rows(keys, soon())
        orders = [GroupFeature("orders", Type.INT)]
        assert row_format(1, first.features).unpack([old], orders).columns[0].values.tolist() == [1]
        assert row_format(2, second.features).unpack([new], second.features).columns[0].values.tolist() == [4]


async def test_a_batch_that_is_written_anew_under_its_name_replaces_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "users.parquet")
    async with opened(path) as store:
        await current(store)
        write(path, user_id=pa.array([7, 8, 9]))
        found = row_prefix("users", "2026-11-24") + b"9"
        async with asyncio.timeout(30):
            while await store.rows([found], soon()) == [None]:
                await moment()
        snapshot = store.snapshot("users")
        assert snapshot is not None
        assert snapshot.group is not None
        assert snapshot.group.previous is None


async def test_a_bad_file_keeps_what_was_read_before_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "users.parquet")
    async with opened(path) as store:
        await current(store)
        with caplog.at_level(logging.WARNING):
            path.write_bytes(b"PAR1 half a file")
            await eventually(lambda: caplog.messages)
            assert "can't be read" in caplog.messages[0]
            assert (await current(store)).entities == 3
            assert store.state == ""
            write(path, METADATA | {"scorebridge.batch": "b2"})
            await eventually(lambda: (found := store.snapshot("users")) and found.group and found.group.previous)
        assert len(caplog.messages) == 1


async def test_the_key_is_named_by_the_settings_or_by_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "users.parquet", {})
    assert 'set key = "COLUMN" in [stores.NAME]' in await refusal(path)
    async with opened(path, key="user_id") as store:
        batch = await current(store)
        assert len(batch.name) == len("2026-11-24T01.30.00Z")
        assert batch.day
    assert "has no column 'id' for the keys" in await refusal(path, key="id")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"user_id": [7, 8, 7]}, "two rows have the same key"),
        ({"user_id": [7, None, 8]}, "column 'user_id', row 1: the row has no key"),
        ({"user_id": [0.5, 1.0, 2.0]}, "cast it to text or a whole number"),
        ({"orders": pa.array([1, 2, 2**60])}, "column 'orders', row 2: not a whole number within"),
        ({"city": pa.nulls(3)}, "column 'city' has no type"),
        ({"city": [["a"], [], []]}, "which no model takes"),
    ],
)
async def test_a_file_that_no_group_can_be_is_refused(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    assert said in await refusal(write(tmp_path / "users.parquet", **columns))


async def test_a_file_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "users.parquet"
    async with opened(path) as store:
        with pytest.raises(StoreUnavailable, match="No such file"):
            await store.look("users", soon())
        write(path)
        await eventually(lambda: store.snapshot("users"))
        assert store.state == ""


async def test_a_file_s_name_must_be_a_group_s(tmp_path: Path) -> None:
    assert "names the group" in await refusal(write(tmp_path / "all users.parquet"))


async def test_too_many_rows_are_for_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.features.stores.memory_file._MOST_ENTITIES", 2)
    assert "2 may be kept in memory: publish it into Redis" in await refusal(write(tmp_path / "users.parquet"))
