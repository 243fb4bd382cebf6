"""A store in Redis that is killed, hangs, lies or comes back, and calls that leave in the middle."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from redis_servers import RedisServer, free_port, opened_store, redis_server, redis_store, within
from waiting import eventually, moment

from bridge.errors import DefaultReason
from bridge.features.stores.group import GroupNotReadable
from bridge.features.stores.redis_store import RedisStore
from bridge.lookup_errors import StoreUnavailable

__all__ = ["redis_store"]

KEY = b"sb:{customers}:row:2026-11-24:7"


def clients(server: RedisServer) -> int:
    """The connections of others than the test itself."""
    return len(server.client.client_list()) - 1


async def failure_of(store: RedisStore, seconds: float = 20.0) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await store.rows([KEY], within(seconds))
    return str(caught.value)


async def test_a_store_that_is_down_says_so_and_recovers(redis_store: RedisServer) -> None:
    redis_store.kill()
    async with opened_store(redis_store.url, failures=1000) as store:
        assert await failure_of(store) == "store 'features' refuses connections"
        assert store.state == "refuses connections"
        redis_store.start()
        assert await store.rows([KEY], within()) == [None]
        assert store.state == ""


async def test_a_restart_costs_at_most_the_calls_under_way(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, failures=1000) as store:
        await store.rows([KEY], within())
        redis_store.kill()
        redis_store.start()
        redis_store.client.set(KEY, "new")
        with suppress(StoreUnavailable):  # the end of the old connection may not have been seen yet
            await store.rows([KEY], within())
        assert await store.rows([KEY], within()) == [b"new"]


async def test_a_flush_leaves_keys_without_rows(redis_store: RedisServer) -> None:
    redis_store.client.set(KEY, "row")
    async with opened_store(redis_store.url) as store:
        assert await store.rows([KEY], within()) == [b"row"]
        redis_store.client.flushall()
        assert await store.rows([KEY], within()) == [None]


async def test_a_store_that_hangs_costs_no_more_than_the_calls_time(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, failures=1000, timeout_s=0.02) as store:
        await store.rows([KEY], within())
        redis_store.hang()
        with pytest.raises(StoreUnavailable) as caught:
            await store.rows([KEY], within(0.05))
        assert str(caught.value) == "store 'features' did not answer within 50 ms"
        assert caught.value.limit == "50 ms"
        assert caught.value.default_reason is DefaultReason.STORE_UNAVAILABLE
        redis_store.go_on()
        assert await store.rows([KEY], within()) == [None]


async def test_a_call_whose_time_is_over_asks_nothing(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, failures=1) as store:
        await store.rows([KEY], within())
        before = redis_store.client.info("commandstats")["cmdstat_mget"]["calls"]
        assert await failure_of(store, -1) == "store 'features' was not asked: the time for it is over"
        assert redis_store.client.info("commandstats")["cmdstat_mget"]["calls"] == before
        assert store.state == ""


async def test_a_store_that_is_loading_is_left_alone_too() -> None:
    loading = _server(lambda _: b"-LOADING Redis is loading\r\n")
    async with loading as url, opened_store(url, failures=2, open_s=30.0) as store:
        for _ in range(2):
            assert await failure_of(store) == "store 'features' answers with the error LOADING"
        assert "left alone after 2 failures in a row: it answers with the error LOADING" in await failure_of(store)


async def test_after_failures_in_a_row_it_is_left_alone_until_it_answers(
    redis_store: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge.features.stores")
    left_alone = "was left alone after 3 failures in a row: it "
    async with opened_store(redis_store.url, failures=3, timeout_s=0.02, open_s=0.05) as store:
        await store.rows([KEY], within())
        redis_store.hang()
        said = await failure_of(store, 0.03)
        assert said == "store 'features' did not answer within 30 ms"
        while left_alone not in said:
            assert "within" in said
            said = await failure_of(store, 0.03)
        before = asyncio.all_tasks()
        for _ in range(100):  # each would have waited for 20 s
            assert (await failure_of(store)).startswith(f"store 'features' {left_alone}")
        assert asyncio.all_tasks() == before  # nothing was begun for any of them
        with pytest.raises(StoreUnavailable, match=left_alone):
            await store.look("customers", within())
        with pytest.raises(StoreUnavailable, match=left_alone):
            await store.hashes([KEY], [b"a"], within())
        assert store.state.startswith(left_alone)
        redis_store.go_on()
        await eventually(lambda: store.state == "")
        assert await store.rows([KEY], within()) == [None]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_reply_after_a_calls_short_time_is_no_failure_of_the_store(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, failures=1, timeout_s=30.0, max_connections=2) as store:
        await store.rows([KEY], within())
        for _ in range(4):
            redis_store.client.client_pause(200, all=True)
            assert "did not answer within" in await failure_of(store, 0.02)
            redis_store.client.client_unpause()
            assert await store.rows([KEY], within()) == [None]
        assert store.state == ""


async def test_calls_that_are_too_short_for_a_hanging_store_still_show_that_it_hangs(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, failures=3, timeout_s=0.05, open_s=30.0) as store:
        await store.rows([KEY], within())
        redis_store.hang()
        async with asyncio.timeout(30):
            while "left alone after 3 failures" not in store.state:
                await failure_of(store, 0.001)
        redis_store.go_on()


async def test_cancelled_calls_under_way_still_show_that_the_store_hangs(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, failures=2, timeout_s=0.05, open_s=30.0) as store:
        await asyncio.gather(*(store.rows([KEY], within()) for _ in range(2)))
        await eventually(lambda: clients(redis_store) == 2)
        redis_store.hang()
        calls = [asyncio.ensure_future(store.rows([KEY], within())) for _ in range(2)]
        await moment()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await eventually(lambda: "left alone after 2 failures" in store.state)
        redis_store.go_on()


async def test_no_more_connections_are_made_than_the_settings_allow(redis_store: RedisServer) -> None:
    redis_store.client.set(KEY, "row")
    async with opened_store(redis_store.url, max_connections=3) as store:
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, clients(redis_store))
                await moment()

        watching = asyncio.ensure_future(watch())
        assert await asyncio.gather(*(store.rows([KEY], within()) for _ in range(300))) == [[b"row"]] * 300
        watching.cancel()
        await asyncio.wait({watching})
        assert max(most, clients(redis_store)) <= 3
    await eventually(lambda: clients(redis_store) == 0)


async def test_a_call_that_finds_no_free_connection_waits_only_for_its_own_time(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, max_connections=1, failures=1) as store:
        await store.rows([KEY], within())
        redis_store.hang()
        waiting = asyncio.ensure_future(store.rows([KEY], within()))
        await moment()
        assert await failure_of(store, 0.02) == "store 'features' had no free connection within 20 ms"
        redis_store.go_on()
        assert await waiting == [None]
        assert store.state == ""  # that all connections are lent says nothing of the store


def _others(server: RedisServer) -> list[dict[str, str]]:
    own = str(server.client.client_id())
    return [client for client in server.client.client_list() if client["id"] != own]


@pytest.mark.parametrize("seed", range(5))
async def test_calls_that_are_cancelled_at_any_time_never_mix_up_the_rows_of_others(
    redis_store: RedisServer, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    prefix = "sb:{customers}:row:b:"
    redis_store.client.mset({f"{prefix}{number}": f"{number}" * chance.randint(1, 300) for number in range(500)})
    finished = 0

    async def call(store: RedisStore) -> None:
        nonlocal finished
        wanted = chance.sample(range(600), chance.choice([1, 3, 300]))
        found = await store.rows([f"{prefix}{number}".encode() for number in wanted], within())
        for number, row in zip(wanted, found, strict=True):
            assert row is None if number >= 500 else row is not None and not row.replace(str(number).encode(), b"")
        finished += 1

    async with opened_store(redis_store.url, max_connections=4, failures=10_000) as store:
        for _ in range(40):
            calls = [asyncio.ensure_future(call(store)) for _ in range(chance.randint(1, 20))]
            for _ in range(chance.randint(0, 12)):
                await asyncio.sleep(0)
                chance.choice(calls).cancel()
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    assert finished > 50


async def test_a_connection_whose_call_left_is_closed(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, max_connections=1) as store:
        await store.rows([KEY], within())
        (before,) = [client["id"] for client in _others(redis_store)]
        redis_store.hang()
        call = asyncio.ensure_future(store.rows([KEY], within()))
        await moment()
        call.cancel()
        await asyncio.wait({call})
        redis_store.go_on()
        assert await store.rows([KEY], within()) == [None]
        assert [client["id"] for client in _others(redis_store)] != [before]


async def test_a_connection_that_takes_long_is_made_without_the_call_that_wanted_it() -> None:
    let_go = asyncio.Event()
    async with (
        _server(lambda _: b"*1\r\n$-1\r\n", before_pong=let_go) as url,
        opened_store(url, timeout_s=30.0) as store,
    ):
        assert "had no free connection within" in await failure_of(store, 0.01)
        let_go.set()
        assert await store.rows([KEY], within()) == [None]


async def test_a_store_that_takes_connections_and_says_nothing_is_left_alone_too() -> None:
    async with (
        _server(lambda _: b"", before_pong=asyncio.Event()) as url,
        opened_store(url, timeout_s=0.01, failures=2, open_s=30.0) as store,
    ):
        for _ in range(5):
            await failure_of(store, 0.02)
        assert store.state.startswith("was left alone after 2 failures in a row: it had no free connection within")


async def test_closing_ends_the_calls_under_way(redis_store: RedisServer) -> None:
    async with opened_store(redis_store.url, max_connections=1) as store:
        await store.rows([KEY], within())
        redis_store.hang()
        calls = [asyncio.ensure_future(store.rows([KEY], within())) for _ in range(3)]
        await moment()
        await store.close()
        await store.close()
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, StoreUnavailable)
            assert str(outcome) == "store 'features' was closed"
        assert await failure_of(store) == "store 'features' was closed"
        redis_store.go_on()


async def test_a_server_that_takes_no_more_connections_lets_those_that_there_are_go_on() -> None:
    with redis_server("--maxclients", "2") as server:
        server.client.ping()  # one of the two
        async with opened_store(server.url, failures=10_000) as store:
            await eventually(lambda: clients(server) == 1)
            assert await asyncio.gather(*(store.rows([KEY], within()) for _ in range(20))) == [[None]] * 20
            server.client.config_set("maxclients", 1)
        async with opened_store(server.url, failures=10_000) as store:
            await eventually(lambda: store.state != "")
            assert await failure_of(store) == "store 'features' takes no more connections: its maxclients is reached"


@asynccontextmanager
async def _server(
    answer: Callable[[bytes], bytes], *, close: bool = False, before_pong: asyncio.Event | None = None
) -> AsyncIterator[str]:
    """A server that answers PING as Redis does and all else as told; it may close after that."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while asked := await reader.read(1 << 20):
                if b"PING" in asked and before_pong is not None:
                    await before_pong.wait()
                writer.write(b"+PONG\r\n" if b"PING" in asked else answer(asked))
                if close and b"PING" not in asked:
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    serving: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(serve(reader, writer)))

    port = free_port()
    server = await asyncio.start_server(begin, "127.0.0.1", port)
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.close()
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)


@pytest.mark.parametrize(
    ("answer", "close", "says"),
    [
        (b"*1\r\n$100\r\nhalf", True, "closed the connection"),
        (b"*1\r\n$100\r\nhalf", False, "did not answer within 100 ms"),
        (b"", True, "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "answers with what is no reply of Redis"),
        (b"*2\r\n$-1\r\n$-1\r\n", False, "answers with something else than was asked for"),
        (b"*0\r\n", False, "answers with something else than was asked for"),
        (b"*-1\r\n", False, "answers with something else than was asked for"),
        (b"*1\r\n:5\r\n", False, "answers with something else than was asked for"),
        (b"$1\r\na\r\n", False, "answers with something else than was asked for"),
        (b"*1\r\n*0\r\n", False, "answers with something else than was asked for"),
        (b"*2000000000\r\n", False, "answers with something else than was asked for"),
        (b"*99999999999999999999999999999999999999999", False, "answers with something else than was asked for"),
        (b"*x\r\n", False, "answers with something else than was asked for"),
        (b"*", False, "did not answer within 100 ms"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", False, "answers with the error LOADING"),
        (b"-NOAUTH Authentication required.\r\n", False, "answers with the error NOAUTH: it asks for a password_file"),
        (b"-MISCONF " + KEY + b"\r\n", False, "answers with the error MISCONF"),
        (b"-" + KEY + b"\r\n", False, "answers with the error unknown"),
        (b"-\xff\xfe\r\n", False, "answers with"),
        (
            b"-MOVED 1 127.0.0.1:1\r\n",
            False,
            "answers with the error MOVED: for a cluster, its url begins with cluster://",
        ),
    ],
)
async def test_an_answer_that_is_none_is_an_error_that_shows_nothing_of_it(
    answer: bytes, close: bool, says: str
) -> None:
    async with _server(lambda _: answer, close=close) as url, opened_store(url) as store:
        assert (await failure_of(store, 0.1 if "100 ms" in says else 20)).startswith(f"store 'features' {says}")
        with pytest.raises((StoreUnavailable, GroupNotReadable)) as caught:
            await store.look("customers", within(0.1))
        assert KEY.decode() not in f"{caught.value}"


async def test_more_than_was_asked_for_is_never_read_by_another_call() -> None:
    async with _server(lambda _: b"*1\r\n$-1\r\n" * 2) as url, opened_store(url, max_connections=1) as store:
        for _ in range(3):
            assert await store.rows([KEY], within()) == [None]
    count = 0

    def answer(asked: bytes) -> bytes:
        nonlocal count
        count += asked.count(b"MGET")
        return b"*1\r\n$%d\r\n%d\r\n" % (len(str(count)), count)

    async with _server(answer) as url, opened_store(url, max_connections=1) as store:
        assert [await store.rows([KEY], within()) for _ in range(3)] == [[b"1"], [b"2"], [b"3"]]
