"""A store in Redis: rows, hashes and descriptions of groups, as any client of Redis may have written them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from redis_servers import RedisServer, opened_store, redis_store, within
from waiting import eventually

from bridge.columns import Type
from bridge.features.stores.group import (
    MOST_META_BYTES,
    FeatureBatch,
    Group,
    GroupFeature,
    GroupKind,
    GroupNotReadable,
    meta_key,
    row_prefix,
    write_meta,
)
from bridge.features.stores.redis_store import RedisStore
from bridge.features.stores.store import NotARow
from bridge.lookup_errors import StoreUnavailable

__all__ = ["redis_store"]

ROWS = row_prefix("customers", "2026-11-24")
TODAY = row_prefix("orders", "2026-11-25", GroupKind.STREAM)
BATCH = FeatureBatch("2026-11-24", 1, (GroupFeature("age", Type.DOUBLE),), 3, 1_795_000_000_000, 3600)
CUSTOMERS = Group("customers", GroupKind.BATCH, current=BATCH)


@pytest.fixture
async def store(redis_store: RedisServer) -> AsyncIterator[RedisStore]:
    async with opened_store(redis_store.url) as opened:
        yield opened


async def test_rows_come_in_the_order_of_their_keys_and_none_where_there_is_none(
    redis_store: RedisServer, store: RedisStore
) -> None:
    redis_store.client.mset({ROWS + b"7": b"seven", ROWS + b"8": b"", ROWS + "käse".encode(): b"\r\n$1\r\n"})
    keys = [ROWS + "käse".encode(), ROWS + b"7", ROWS + b"9", ROWS + b"8", ROWS + b"7"]
    assert await store.rows(keys, within()) == [b"\r\n$1\r\n", b"seven", None, b"", b"seven"]


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
async def test_any_number_of_keys_is_read_in_trips_of_a_thousand(
    redis_store: RedisServer, store: RedisStore, count: int
) -> None:
    redis_store.client.mset({ROWS + b"%d" % number: b"%d" % number * 60 for number in range(0, 2500, 3)})
    before = redis_store.client.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]
    found = await store.rows([ROWS + b"%d" % number for number in range(count)], within())
    assert found == [None if number % 3 else b"%d" % number * 60 for number in range(count)]
    after = redis_store.client.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]
    assert after - before == -(-count // 1000)


async def test_keys_and_rows_may_be_long(redis_store: RedisServer, store: RedisStore) -> None:
    entity, row = b"k" * 5000, b"r" * (3 << 20)
    redis_store.client.set(ROWS + entity, row)
    assert await store.rows([ROWS + entity, ROWS + b"k" * 511], within()) == [row, None]


async def test_a_trip_with_more_than_64_mib_is_refused_and_the_store_still_answers(
    redis_store: RedisServer, store: RedisStore
) -> None:
    redis_store.client.set(ROWS + b"big", b"r" * (9 << 20))
    with pytest.raises(StoreUnavailable, match="store 'features' has an answer of more than 67108864 bytes") as caught:
        await store.rows([ROWS + b"big"] * 8, within())
    assert caught.value.limit == "67108864 bytes"
    assert store.state == ""  # it serves; this one answer could not be taken
    assert await store.rows([ROWS + b"7"], within()) == [None]


async def test_something_else_than_a_text_is_no_row(redis_store: RedisServer, store: RedisStore) -> None:
    redis_store.client.rpush(ROWS + b"7", "a", "b")
    assert await store.rows([ROWS + b"7"], within()) == [None]


async def test_hashes_give_the_fields_that_were_asked_for(redis_store: RedisServer, store: RedisStore) -> None:
    redis_store.client.hincrbyfloat((TODAY + b"7").decode(), "orders", 1.5)
    redis_store.client.hset((TODAY + b"7").decode(), "spent", "12")
    keys, fields = [TODAY + b"7", TODAY + b"8"], [b"spent", b"returns", b"orders"]
    assert await store.hashes(keys, fields, within()) == [[b"12", None, b"1.5"], [None, None, None]]


async def test_hashes_of_any_number_are_read(redis_store: RedisServer, store: RedisStore) -> None:
    for number in range(0, 2100, 7):
        redis_store.client.hset((TODAY + b"%d" % number).decode(), "orders", number)
    found = await store.hashes([TODAY + b"%d" % number for number in range(2100)], [b"orders"], within())
    assert found == [[None if number % 7 else b"%d" % number] for number in range(2100)]


async def test_what_is_no_hash_costs_only_its_own_key(redis_store: RedisServer, store: RedisStore) -> None:
    redis_store.client.set(TODAY + b"7", "text")
    redis_store.client.hset((TODAY + b"8").decode(), "orders", 3)
    first, second = await store.hashes([TODAY + b"7", TODAY + b"8"], [b"orders"], within())
    assert isinstance(first, NotARow)
    assert second == [b"3"]
    assert store.state == ""


async def test_a_group_is_seen_with_the_stores_own_time(redis_store: RedisServer, store: RedisStore) -> None:
    redis_store.client.set(meta_key("customers"), write_meta(CUSTOMERS))
    assert store.snapshot("customers") is None
    seconds, micros = redis_store.client.time()
    seen = await store.look("customers", within())
    assert seen.group == CUSTOMERS
    kept = store.snapshot("customers")
    assert kept is not None
    assert kept.group is seen.group
    assert seconds * 1000 + micros // 1000 <= seen.now_ms <= kept.now_ms
    seconds, micros = redis_store.client.time()
    assert kept.now_ms <= seconds * 1000 + micros // 1000 + 1


async def test_a_group_that_is_not_there_is_none(store: RedisStore) -> None:
    assert (await store.look("customers", within())).group is None
    assert (kept := store.snapshot("customers")) is not None
    assert kept.group is None


async def test_a_group_that_calls_ask_for_is_looked_at_again(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, refresh_s=0.02) as store:
        await store.look("customers", within())
        redis_store.client.set(meta_key("customers"), write_meta(CUSTOMERS))
        await eventually(lambda: (seen := store.snapshot("customers")) is not None and seen.group == CUSTOMERS)


async def test_a_look_that_fails_keeps_what_was_seen_until_it_is_too_old(redis_store: RedisServer) -> None:
    redis_store.client.set(meta_key("customers"), write_meta(CUSTOMERS))
    async with opened_store(redis_store.url, refresh_s=0.1) as store:
        await store.look("customers", within())
        redis_store.client.set(meta_key("customers"), b"{")
        looks = _looks(redis_store)
        await eventually(lambda: _looks(redis_store) > looks)
        kept = store.snapshot("customers")
        assert kept is None or kept.group == CUSTOMERS  # a slow machine may look too late
        await eventually(lambda: store.snapshot("customers") is None)
        with pytest.raises(GroupNotReadable, match="group 'customers'"):
            await store.look("customers", within())


def _looks(server: RedisServer) -> int:
    return int(server.client.info("commandstats")["cmdstat_getrange"]["calls"])


async def test_a_description_that_is_too_long_is_refused_before_it_is_taken(
    redis_store: RedisServer, store: RedisStore
) -> None:
    redis_store.client.set(meta_key("customers"), b" " * (100 << 20))
    before = redis_store.client.info("stats")["total_net_output_bytes"]
    with pytest.raises(GroupNotReadable, match=f"longer than {MOST_META_BYTES} bytes"):
        await store.look("customers", within())
    assert redis_store.client.info("stats")["total_net_output_bytes"] - before < 2 * MOST_META_BYTES


async def test_a_description_may_be_as_long_as_it_may_be(redis_store: RedisServer, store: RedisStore) -> None:
    raw = write_meta(CUSTOMERS)
    redis_store.client.set(meta_key("customers"), raw + b" " * (MOST_META_BYTES - len(raw)))
    assert (await store.look("customers", within())).group == CUSTOMERS


async def test_a_description_that_is_no_text_is_refused(redis_store: RedisServer, store: RedisStore) -> None:
    redis_store.client.rpush(meta_key("customers").decode(), "a")
    with pytest.raises(GroupNotReadable, match="under the key of group 'customers' is no text"):
        await store.look("customers", within())
    assert store.state == ""


async def test_rows_are_read_again_from_memory_where_the_settings_say_so(redis_store: RedisServer) -> None:
    redis_store.client.mset({ROWS + b"7": b"seven"})
    async with opened_store(redis_store.url, cache_entities=10, cache_age_s=3600.0) as store:
        assert await store.rows([ROWS + b"7", ROWS + b"8"], within()) == [b"seven", None]
        redis_store.client.mset({ROWS + b"7": b"never", ROWS + b"8": b"eight"})
        assert await store.rows([ROWS + b"8", ROWS + b"7"], within()) == [b"eight", b"seven"]
        redis_store.kill()
        assert await store.rows([ROWS + b"7", ROWS + b"8"], within()) == [b"seven", b"eight"]


async def test_a_batch_that_is_published_again_under_its_name_is_not_taken_from_the_cache(
    redis_store: RedisServer,
) -> None:
    key, again = ROWS + b"7", replace(CUSTOMERS, current=replace(BATCH, published_ms=BATCH.published_ms + 1))
    async with opened_store(redis_store.url, cache_entities=10, cache_age_s=3600.0) as store:
        redis_store.client.mset({meta_key("customers"): write_meta(CUSTOMERS), key: b"wrong"})
        await store.look("customers", within())
        assert await store.rows([key], within()) == [b"wrong"]
        redis_store.client.set(key, b"right")
        await store.look("customers", within())
        assert await store.rows([key], within()) == [b"wrong"]  # nothing says yet that it is another batch
        redis_store.client.set(meta_key("customers"), write_meta(again))
        await store.look("customers", within())
        assert await store.rows([key], within()) == [b"right"]


async def test_a_call_is_not_of_two_batches_because_some_of_its_rows_were_kept(
    redis_store: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is described anew between the look into the cache and the answer of the server."""
    kept, other = ROWS + b"7", ROWS + b"8"
    async with opened_store(redis_store.url, cache_entities=10, cache_age_s=3600.0) as store:
        read, described = store._rows, [CUSTOMERS]

        async def described_anew(keys: Sequence[bytes], until: float) -> list[bytes | None]:
            if described:
                redis_store.client.mset({meta_key("customers"): write_meta(described.pop()), kept: b"new"})
                await store.look("customers", within())
            return await read(keys, until)

        redis_store.client.mset({kept: b"old", other: b"new"})
        assert await store.rows([kept], within()) == [b"old"]
        monkeypatch.setattr(store, "_rows", described_anew)
        assert await store.rows([kept, other], within()) == [b"new", b"new"]
        assert await store.rows([kept, other], within()) == [b"new", b"new"]


async def test_by_default_every_row_is_read_anew(redis_store: RedisServer, store: RedisStore) -> None:
    for row in (b"one", b"two"):
        redis_store.client.set(ROWS + b"7", row)
        assert await store.rows([ROWS + b"7"], within()) == [row]


async def test_the_urls_database_is_read(redis_store: RedisServer) -> None:
    redis_store.client.set(ROWS + b"7", b"of 0")
    async with opened_store(f"redis://127.0.0.1:{redis_store.port}/3") as store:
        assert await store.rows([ROWS + b"7"], within()) == [None]
    async with opened_store(f"redis://127.0.0.1:{redis_store.port}") as store:
        assert await store.rows([ROWS + b"7"], within()) == [b"of 0"]
    async with opened_store(f"redis://127.0.0.1:{redis_store.port}/99") as store:
        with pytest.raises(StoreUnavailable, match=r"store 'features' answers with the error ERR$"):
            await store.rows([ROWS + b"7"], within())
