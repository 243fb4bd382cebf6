"""A store of features fails: calls get marked default scores in time, or a typed error, and never a guess."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fixtures import Addressed, StartGateway, put
from redis_servers import RedisServer, free_port, redis_server
from scorebridge import AsyncScoringClient, ScoringError, Source
from shop import Shop, make_shop, settings_of, users
from waiting import eventually, moment

from bridge.features.stores.group import meta_key, row_prefix

pytestmark = [pytest.mark.parametrize("front", ["grpc"], indirect=True), pytest.mark.usefixtures("shop")]
Connect = Callable[[Addressed], AsyncScoringClient]
ROWS = {"amount": [0.5, -0.5], "user_id": ["a", "b"]}
HELD: dict[str, list[float | None]] = {"a": [3, 3.5, 0.3], "b": [2, 2.5, None]}
_FAILS = """
timeout_s = 30.0

[lookup.user]
group = "users"
key = "user_id"
on_missing = "default"
max_age_s = 3600
"""
_DEFAULTS = f"default_score = 0.25\n{_FAILS}"
_MISSING = _FAILS.replace('on_missing = "default"', 'on_failure = "missing"')


@pytest.fixture
def shop(tmp_path: Path, repository: Path) -> Shop:
    """Three models of one booster: rows without features get a default score, fail, or are scored without."""
    made = make_shop(tmp_path / "shop", _DEFAULTS)
    put(made.folder, repository, "defaults")
    put(make_shop(tmp_path / "fails", _FAILS).folder, repository, "fails")
    put(make_shop(tmp_path / "missing", _MISSING).folder, repository, "missing")
    return made


def expected(shop: Shop) -> list[float]:
    """The model's scores of ROWS."""
    return shop.scores([[0.5, *HELD["a"]], [-0.5, *HELD["b"]]])


async def reasons(client: AsyncScoringClient) -> list[str]:
    """Asks the model with default scores, and tells each range's reason; none where the model scored."""
    answer = await client.score("defaults", ROWS, timeout_s=20.0)
    assert all(answer.scores[answer.defaulted] == 0.25)
    assert bool(answer.defaults) == (answer.source is not Source.MODEL)
    return [str(one.reason) for one in answer.defaults]


async def error_of(client: AsyncScoringClient) -> ScoringError:
    """How a call ends that may have no default score."""
    with pytest.raises(ScoringError) as failed:
        await client.score("fails", ROWS, timeout_s=20.0)
    return failed.value


async def test_a_store_that_is_down_and_comes_back(
    shop: Shop, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    port = free_port()
    gateway = await start_gateway(repository, **settings_of(f"redis://127.0.0.1:{port}/0", open_s=0.05))
    client = connect(gateway)
    assert await reasons(client) == ["STORE_UNAVAILABLE"]
    failed = await error_of(client)
    assert failed.reason == "STORE_UNAVAILABLE"
    assert "lookup 'user': store 'features'" in str(failed)
    without = await client.score("missing", ROWS, timeout_s=20.0)
    assert without.scores.tolist() == shop.scores([[0.5, None, None, None], [-0.5, None, None, None]])
    sent = {"amount": [0.5], "orders": [3], "spent": [3.5], "rate": [0.3]}
    assert (await client.score("defaults", sent, timeout_s=20.0)).source is Source.MODEL  # needs no store
    for _ in range(5):
        await reasons(client)
    assert "store 'features'" in gateway.pages.readiness()
    with redis_server(port=port) as server:
        users(HELD).put_into(server.client)
        await eventually(lambda: "store 'features'" not in gateway.pages.readiness())
        assert (await client.score("fails", ROWS, timeout_s=20.0)).scores.tolist() == expected(shop)
        server.kill()
        assert await reasons(client) == ["STORE_UNAVAILABLE"]
        server.start()
        users(HELD).put_into(server.client)

        async with asyncio.timeout(30):
            while await reasons(client):
                await moment()


async def test_a_store_that_hangs_costs_its_own_time_limit_and_then_nothing(
    repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    users(HELD).put_into(redis_store.client)
    gateway = await start_gateway(repository, **settings_of(redis_store.url, timeout_s=0.2, failures=2, open_s=60.0))
    client = connect(gateway)
    assert await reasons(client) == []
    redis_store.hang()
    for _ in range(2):
        begun = time.monotonic()
        answer = await client.score("defaults", ROWS, timeout_s=20.0)
        assert time.monotonic() - begun < 10
        assert [str(one.reason) for one in answer.defaults] == ["STORE_UNAVAILABLE"]
    await eventually(lambda: "store 'features'" in gateway.pages.readiness())
    redis_store.go_on()


async def test_a_short_deadline_keeps_half_of_its_time(
    repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    """A store that takes all of its own time takes at most half of the call's, so the default score is in time."""
    users(HELD).put_into(redis_store.client)
    gateway = await start_gateway(repository, **settings_of(redis_store.url, timeout_s=30.0))
    client = connect(gateway)
    assert await reasons(client) == []
    redis_store.hang()
    answer = await client.score("defaults", ROWS, timeout_s=2.0)
    assert [str(one.reason) for one in answer.defaults] == ["STORE_UNAVAILABLE"]
    assert answer.source is Source.DEFAULT  # the gateway's own: the client did not have to give one
    redis_store.go_on()


async def test_a_flush_after_the_flip_is_told_row_by_row(
    shop: Shop, repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    users(HELD).put_into(redis_store.client)
    gateway = await start_gateway(repository, **settings_of(redis_store.url, refresh_s=0.05))
    client = connect(gateway)
    assert await reasons(client) == []
    redis_store.client.delete(row_prefix("users", "2026-11-24") + b"b")  # evicted
    answer = await client.score("defaults", ROWS, timeout_s=20.0)
    assert answer.scores.tolist() == [expected(shop)[0], 0.25]
    assert [(one.first, one.count, str(one.reason)) for one in answer.defaults] == [(1, 1, "FEATURES_MISSING")]
    redis_store.client.flushall()
    assert await reasons(client) == ["FEATURES_MISSING"]
    failed = await error_of(client)
    assert failed.reason == "FEATURES_MISSING"


@pytest.mark.parametrize(
    "meta",
    [
        b"",
        b"{}",
        b"null",
        b'{"format":2}',
        b"[" * 100_000,
        b'{"format":1,"kind":"batch","current":{}}',
        b"\xff" * 2_000_000,
    ],
)
async def test_a_description_that_can_not_be_read(
    repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect, meta: bytes
) -> None:
    users(HELD).put_into(redis_store.client)
    redis_store.client.set(meta_key("users"), meta)
    gateway = await start_gateway(repository, **settings_of(redis_store.url))
    assert await reasons(connect(gateway)) == ["FEATURES_MISSING"]


async def test_what_is_no_row_fails_only_its_own(
    shop: Shop, repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    users(HELD).put_into(redis_store.client)
    redis_store.client.set(row_prefix("users", "2026-11-24") + b"b", b"\x01\0\0\0 what some other job wrote")
    gateway = await start_gateway(repository, **settings_of(redis_store.url))
    client = connect(gateway)
    for model in ("defaults", "missing"):
        answer = await client.score(model, ROWS, timeout_s=20.0, default=0.25)
        assert answer.scores.tolist() == [expected(shop)[0], 0.25]
        assert [str(one.reason) for one in answer.defaults] == ["FEATURES_MISSING"]


async def test_a_stale_batch_is_not_used(
    repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    store = users(HELD)
    store.now_ms -= 3600 * 1000
    store.publish("users", "2026-11-25", {"orders": store.groups["users"].features[0].type}, {"a": [1]}, age_s=60)
    store.put_into(redis_store.client)
    gateway = await start_gateway(repository, **settings_of(redis_store.url))
    assert await reasons(connect(gateway)) == ["FEATURES_STALE"]


async def test_all_rows_of_a_call_come_from_one_batch_while_batches_flip(
    shop: Shop, repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    """Each batch holds one number for everybody: a call that read two of them would have two scores."""
    keys = [str(number) for number in range(3000)]
    store = users({key: [0, 0.0, 0.0] for key in keys}, "0")
    store.put_into(redis_store.client)
    gateway = await start_gateway(repository, **settings_of(redis_store.url, refresh_s=0.02))
    client = connect(gateway)
    seen: set[float] = set()
    possible = {number: shop.scores([[0.5, number, float(number), 0.0]])[0] for number in range(-3, 4)}
    for turn in range(30):
        number = turn % 7 - 3
        flipping = asyncio.to_thread(_flip, redis_store, keys, f"{turn + 1}", number)
        flip = asyncio.create_task(flipping)
        answer = await client.score("defaults", {"amount": [0.5] * 3000, "user_id": keys}, timeout_s=20.0)
        assert answer.source is Source.MODEL
        assert len(set(answer.scores.tolist())) == 1
        seen |= set(answer.scores.tolist())
        await flip
    assert len(seen) > 2
    assert seen <= set(possible.values())


def _flip(server: RedisServer, keys: Sequence[str], batch: str, number: int) -> None:
    store = users({key: [number, float(number), 0.0] for key in keys}, f"{batch}-before")
    users({key: [number, float(number), 0.0] for key in keys}, batch, into=store).put_into(server.client)
