"""A batch that several processes write: what counts once, and what keeps it from being current."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis_servers import RedisServer, redis_store

from bridge.columns import Type
from bridge.features.publishing.connection import connect
from bridge.features.publishing.feature_publisher import FeaturePublisher
from bridge.features.publishing.groups import find_group, values_of
from bridge.features.publishing.publishing_errors import PublicationLost, PublicationRefused
from bridge.features.publishing.row_columns import column_of, key_of
from bridge.features.publishing.verification import verify
from bridge.features.stores.group import GroupFeature
from bridge.store_settings import StoreSettings

__all__ = ["redis_store"]

FEATURES = {"orders": "int", "spent": "double", "city": "string", "member": "bool", "since": "int64"}


def user(number: int, **values: Any) -> dict[str, Any]:
    usual = {"user_id": number, "orders": number, "spent": number / 8, "city": f"städt{number}", "member": True}
    return usual | {"since": 2**40 + number, "more": "not published"} | values


def publisher(url: str, batch: str = "2026-11-24", **options: Any) -> FeaturePublisher:
    return FeaturePublisher(url, "users", FEATURES, "user_id", batch=batch, **options)


@pytest.fixture
def client(redis_store: RedisServer) -> Iterator[Any]:
    one = connect(StoreSettings(url=redis_store.url))
    yield one
    one.close()


EXECUTOR = """
import pickle, sys
from pathlib import Path
first, last = map(int, sys.argv[2:])
rows = ({"user_id": n, "orders": n, "spent": n / 8, "city": f"c{n}", "since": n} for n in range(first, last))
pickle.loads(Path(sys.argv[1]).read_bytes()).write_partition(row | {"member": True} for row in rows)
"""


def executor(pickled: Path, first: int, last: int) -> subprocess.Popen[bytes]:
    """A process of its own that writes a partition."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", EXECUTOR, str(pickled), str(first), str(last)], env=environment)


def test_processes_write_and_one_makes_the_batch_current(redis_store: RedisServer, client: Any, tmp_path: Path) -> None:
    pickled = tmp_path / "publisher"
    with publisher(redis_store.url, timezone="Europe/Berlin") as one:
        pickled.write_bytes(pickle.dumps(one))
        processes = [executor(pickled, first, last) for first, last in ((0, 6000), (6000, 9000), (9000, 9000))]
        assert [process.wait() for process in processes] == [0, 0, 0]
        assert not client.exists("sb:{users}:meta")
        assert one.publish().entities == 9000
    state = find_group(client, "users")
    assert [check.sentence() for check in verify(client, state)] == ["9000 of 9000 rows"]
    (found,) = values_of(client, state, "4711")
    assert found.values == {
        "orders": 4711,
        "spent": 4711 / 8,
        "city": "c4711",
        "member": True,
        "since": 4711,
    }


def test_a_partition_that_runs_twice_or_half_counts_once(redis_store: RedisServer, client: Any) -> None:
    def lost() -> Iterator[dict[str, Any]]:
        yield user(1)
        raise ConnectionResetError

    with publisher(redis_store.url) as one:
        for _ in range(2):
            one.write_partition([user(1), user(2)])
        with pytest.raises(ConnectionResetError):
            one.write_partition(lost())
        one.write_partition([user(2), user(1)])  # tried again, and the rows came in another order
        one.write_partition([user(3)])
        assert one.publish().entities == 3
    assert all(check.ok for check in verify(client, find_group(client, "users")))


def test_an_entity_in_two_partitions_keeps_the_batch_from_being_current(redis_store: RedisServer, client: Any) -> None:
    with publisher(redis_store.url) as one:
        one.write_partition([user(1), user(2)])
        one.write_partition([user(2, orders=7)])
        with pytest.raises(PublicationRefused, match="has 2 rows in the store instead of 3"):
            one.publish()
    assert client.keys("*") == []


def test_a_block_that_ends_early_leaves_nothing(redis_store: RedisServer, client: Any) -> None:
    def job() -> None:
        with publisher(redis_store.url) as one:
            one.write_partition([user(1)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job()
    assert client.keys("*") == []


def test_what_a_dead_driver_left_is_replaced_and_its_executors_write_no_more(
    redis_store: RedisServer, client: Any
) -> None:
    dead = publisher(redis_store.url)
    dead.begin()
    dead.write_partition([user(1), user(2)])
    assert dead._driver is not None
    dead._driver.lock.release()
    with publisher(redis_store.url) as one:
        assert not client.keys("sb:{users}:row:*")
        with pytest.raises(PublicationLost, match="another publisher has taken this batch over"):
            dead.write_partition([user(3)])
        one.write_partition([user(4)])
        with pytest.raises(PublicationLost):
            dead._driver.publication.flip(2)
        assert one.publish().entities == 1
    dead.abort()
    assert len(client.keys("sb:{users}:row:*")) == 1


def test_the_rules_of_the_command_hold(redis_store: RedisServer) -> None:
    with publisher(redis_store.url) as one:
        one.write_partition(map(user, range(20)))
        one.publish()
        with pytest.raises(PublicationRefused, match=r"call begin\(\)"):
            one.publish()
    with pytest.raises(PublicationRefused, match="is the current one"):
        publisher(redis_store.url).begin()
    with publisher(redis_store.url, "2026-11-25") as one:
        one.write_partition(map(user, range(5)))
        with pytest.raises(PublicationRefused, match="has 20: fewer than"):
            one.publish()
    other = FeaturePublisher(redis_store.url, "users", {"orders": "double"}, "user_id", batch="2026-11-25")
    with pytest.raises(PublicationRefused, match="--accept-schema"):
        other.begin()
    with pytest.raises(PublicationRefused, match=r"call begin\(\)"):
        other.write_partition([user(1)])
    with pytest.raises(PublicationRefused, match="is the key"):
        FeaturePublisher(redis_store.url, "users", {"user_id": "int"}, "user_id")
    with pytest.raises(PublicationRefused, match="must have one of the types"):
        FeaturePublisher(redis_store.url, "users", {"orders": "factor"}, "user_id")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"user_id": None}, "column 'user_id', row 1 of a partition: the row has no key"),
        ({"user_id": 1.0}, "a key is a text or a whole number, and this one is a float"),
        ({"user_id": True}, "and this one is a bool"),
        ({"user_id": "x" * 1025}, "the key is longer"),
        ({"user_id": "\ud800"}, "no Unicode text"),
        ({"user_id": 0}, "rows 0 and 1 of a partition have the same key"),
        ({"orders": 1.5}, "column 'orders', row 1 of a partition: a float that is no value of type int"),
        ({"orders": -(2**31)}, "an int that is no value of type int"),
        ({"orders": "1"}, "a str that is no value of type int"),
        ({"since": 2**53 + 1}, "no value of type int64"),
        ({"spent": 2**53 + 1}, "no value of type double"),
        ({"spent": True}, "a bool that is no value of type double"),
        ({"member": 1}, "no value of type bool"),
        ({"city": b"x"}, "a bytes that is no value of type string"),
        ({"city": "x" * ((1 << 20) + 1)}, "column 'city', row 1: a text of 1048577 bytes"),
    ],
)
def test_values_that_do_not_fit_are_refused_without_being_told(
    redis_store: RedisServer, values: dict[str, Any], said: str
) -> None:
    with publisher(redis_store.url) as one, pytest.raises(PublicationRefused) as caught:
        one.write_partition([user(0), user(1, **values)])
    assert said.replace("an int that", "a int that") in str(caught.value)


def test_rows_become_columns_exactly() -> None:
    rows: list[dict[str, Any]] = [
        {"x": None},
        {"x": 1},
        {"x": Decimal("0.1")},
        {"x": np.float32(0.5)},
        {"x": float("nan")},
        {"x": np.int64(7)},
        {"x": float("inf")},
    ]
    column = column_of(rows, GroupFeature("x", Type.DOUBLE), 0)
    np.testing.assert_array_equal(column.values, [np.nan, 1, 0.1, 0.5, np.nan, 7, np.inf])
    whole = column_of([{"x": 3.0}, {"x": np.int32(-4)}, {"x": float("nan")}], GroupFeature("x", Type.INT), 0)
    assert whole.values.tolist() == [3, -4, 0]
    assert whole.missing().tolist() == [False, False, True]
    assert [key_of({"k": key}, "k", 0) for key in (42, np.int64(-7), "ä ", "007")] == [
        b"42",
        b"-7",
        "ä ".encode(),
        b"007",
    ]
    with pytest.raises(PublicationRefused, match="row 7 of a partition has no column 'x'"):
        column_of([{}], GroupFeature("x", Type.DOUBLE), 7)
