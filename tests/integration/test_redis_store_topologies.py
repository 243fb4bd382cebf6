"""A store in Redis of several servers: a master that Sentinel names, and a cluster."""

import asyncio
from collections.abc import Callable

import pytest
from redis_servers import RedisCluster, free_port, opened_store, redis_cluster, redis_server, redis_service, within

from bridge.columns import Type
from bridge.features.stores.group import Group, GroupFeature, GroupKind, meta_key, write_meta
from bridge.features.stores.redis_store import RedisStore
from bridge.lookup_errors import StoreUnavailable

KEY = b"sb:{customers}:row:2026-11-24:7"
ORDERS = Group("orders", GroupKind.STREAM, streamed=(GroupFeature("orders", Type.DOUBLE),))


async def rows_become(store: RedisStore, row: bytes, key: bytes = KEY) -> None:
    """Returns as soon as a call gets the row; the calls until then may fail."""
    said: object = None
    try:
        async with asyncio.timeout(60):
            while said != [row]:
                try:
                    said = await store.rows([key], within(0.5))
                except StoreUnavailable as error:
                    said = error
                await asyncio.sleep(0)
    except TimeoutError as error:
        raise AssertionError(f"not so within 60 s, but {said}") from error


async def test_the_master_is_asked_also_after_a_failover() -> None:
    with redis_service() as service:
        service.master.client.set(KEY, "before")
        async with opened_store(service.url, failures=10_000) as store:
            assert await store.rows([KEY], within()) == [b"before"]
            service.fail_over()
            service.master.client.set(KEY, "after")
            await rows_become(store, b"after")


async def test_a_master_that_was_replaced_is_left_though_it_still_answers() -> None:
    with redis_server() as old, redis_server() as new:
        old.client.set(KEY, "old")
        new.client.set(KEY, "new")
        named = old

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"features\r\n")
            writer.write(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(named.port)), named.port))
            await reader.read()
            writer.close()

        port = free_port()
        sentinel = await asyncio.start_server(serve, "127.0.0.1", port)
        async with sentinel, opened_store(f"sentinel://127.0.0.1:{port}/features", refresh_s=0.05) as store:
            assert await store.rows([KEY], within()) == [b"old"]
            named = new
            await rows_become(store, b"new")


async def test_a_master_that_dies_is_replaced_by_its_replica() -> None:
    with redis_service(sentinels=3) as service:
        service.master.client.set(KEY, "before")
        service.master.client.wait(1, 5000)
        async with opened_store(service.url, failures=3, open_s=0.05) as store:
            assert await store.rows([KEY], within()) == [b"before"]
            before = service.master
            before.kill()
            await rows_become(store, b"before")
            assert service.master is not before


async def test_sentinels_that_are_down_are_passed_over() -> None:
    with redis_service() as service:
        service.master.client.set(KEY, "row")
        down = service.url.replace("sentinel://", f"sentinel://127.0.0.1:{free_port()},")
        async with opened_store(down) as store:
            assert await store.rows([KEY], within()) == [b"row"]
        for url in (f"sentinel://127.0.0.1:{free_port()}/features", service.url.replace("/features/", "/others/")):
            async with opened_store(url) as store:
                with pytest.raises(StoreUnavailable, match="store 'features' has no sentinel that names its master"):
                    await store.rows([KEY], within())


async def test_a_master_that_is_none_is_not_read() -> None:
    with redis_service() as service, redis_server() as stranger:
        service.master.client.replicaof("127.0.0.1", stranger.port)  # nobody told the sentinel
        async with opened_store(service.url) as store:
            with pytest.raises(StoreUnavailable, match="has a master by Sentinel that is none"):
                await store.rows([KEY], within())


def group_on(cluster: RedisCluster, wanted: Callable[[int], bool]) -> str:
    """The name of a group whose keys are on a master of the wanted number."""
    names = (f"group-{number}" for number in range(1000))
    return next(name for name in names if wanted(cluster.masters.index(cluster.owner(meta_key(name)))))


async def test_a_cluster_is_asked_node_by_node_as_the_groups_are_spread() -> None:
    with redis_cluster() as cluster:
        async with opened_store(cluster.url, failures=10_000) as store:
            for place in range(3):
                group = group_on(cluster, lambda number, place=place: number == place)  # type: ignore[misc]
                keys = [f"sb:{{{group}}}:row:b:{number}".encode() for number in range(1500)]
                cluster.masters[place].client.mset({key: key for key in keys})
                cluster.masters[place].client.set(meta_key(group), write_meta(ORDERS))
                day = f"sb:{{{group}}}:day:2026-11-25:7"
                cluster.masters[place].client.hincrbyfloat(day, "orders", 2.5)
                for _ in range(2):
                    assert await store.rows(keys, within()) == keys
                    assert await store.hashes([day.encode()], [b"orders"], within()) == [[b"2.5"]]
                    seen = (await store.look(group, within())).group
                    assert seen is not None
                    assert seen.streamed == ORDERS.streamed
            await _finds_a_node_that_is_up(cluster, keys[0])
            await _follows_a_slot_that_moves(cluster, store)
            await _follows_a_replica_that_takes_over(cluster, store)


async def _finds_a_node_that_is_up(cluster: RedisCluster, key: bytes) -> None:
    down = cluster.url.replace("cluster://", f"cluster://127.0.0.1:{free_port()},")
    async with opened_store(down) as store:
        with pytest.raises(StoreUnavailable, match="refuses connections"):
            await store.rows([key], within())
        assert store.state == "1 of its nodes: refuses connections"
        assert await store.rows([key], within()) == [key]


async def _follows_a_slot_that_moves(cluster: RedisCluster, store: RedisStore) -> None:
    group = group_on(cluster, lambda number: number == 1)
    slot = cluster.masters[0].run("CLUSTER", "KEYSLOT", meta_key(group))
    for key in cluster.masters[1].run("CLUSTER", "GETKEYSINSLOT", slot, 10_000):
        cluster.masters[1].client.delete(key)
    owner = cluster.identity(cluster.masters[2])
    for master in (cluster.masters[2], cluster.masters[1], cluster.masters[0]):
        master.run("CLUSTER", "SETSLOT", slot, "NODE", owner)
    key = f"sb:{{{group}}}:row:b:7".encode()
    cluster.masters[2].client.set(key, "moved")
    assert await store.rows([key], within()) == [b"moved"]


async def _follows_a_replica_that_takes_over(cluster: RedisCluster, store: RedisStore) -> None:
    group = group_on(cluster, lambda number: number == 0)
    key = f"sb:{{{group}}}:row:b:7".encode()
    assert await store.rows([key], within()) == [key]
    cluster.masters[0].client.wait(1, 5000)
    cluster.masters[0].kill()
    await rows_become(store, key, key)


async def test_a_node_that_is_given_as_a_single_server_says_what_it_is() -> None:
    with redis_server("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        server.run("CLUSTER", "ADDSLOTSRANGE", 0, 100)
        async with opened_store(server.url) as store:
            with pytest.raises(StoreUnavailable, match="answers with the error CLUSTERDOWN"):
                await store.rows([KEY], within())
