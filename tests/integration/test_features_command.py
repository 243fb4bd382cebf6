"""`scorebridge features` against a real Redis: what is published, what is refused, and what is said of it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from features_commands import features, write_users
from redis_servers import RedisServer, redis_server, redis_store

from bridge.features.stores.group import Group, GroupKind, meta_key, read_meta, row_prefix
from bridge.features.stores.packed_rows import row_format

__all__ = ["redis_store"]


def published(server: RedisServer, path: Path, batch: str = "2026-11-24", *more: object) -> str:
    """Publishes a file of users; returns the line that was printed."""
    options = ("--input", path, "--key", "user_id", "--batch", batch)
    done = features("publish", "users", *options, *more, store=server.url)
    assert (done.code, done.err) == (0, "")
    return done.out


def refused(server: RedisServer, path: Path, *more: object, batch: str = "2026-11-25") -> str:
    """What is said where a file of users is not published."""
    options = ("--input", path, "--key", "user_id", "--batch", batch)
    done = features("publish", "users", *options, *more, store=server.url)
    assert (done.code, done.out) == (1, "")
    return done.err.strip()


def keys(server: RedisServer) -> list[str]:
    client: Any = server.client
    return sorted(key.decode() for key in client.keys("*"))


def described(server: RedisServer, group: str = "users") -> Group:
    client: Any = server.client
    return read_meta(group, client.get(meta_key(group)))


def test_what_is_published_is_in_the_store_as_the_layout_says(redis_store: RedisServer, tmp_path: Path) -> None:
    line = published(redis_store, write_users(tmp_path / "users.parquet"), "2026-11-24", "--timezone", "Europe/Berlin")
    assert line.startswith("group 'users': batch '2026-11-24' is current, with 10 entities, in ")
    assert line.endswith(" bytes an entity; there is no previous batch\n")
    group = described(redis_store)
    batch = group.current
    assert batch is not None
    assert (group.timezone, group.previous, batch.schema, batch.entities) == ("Europe/Berlin", None, 1, 10)
    seconds, microseconds = redis_store.client.time()
    assert 0 <= seconds * 1000 + microseconds // 1000 - batch.published_ms < 60_000
    prefix = row_prefix("users", "2026-11-24")
    client: Any = redis_store.client
    rows = client.mget([prefix + str(user).encode() for user in range(10)])
    unpacked = row_format(1, batch.features).unpack(rows, batch.features)
    assert unpacked.found.all()
    orders, spent, city, member = (column.values.tolist() for column in unpacked.columns)
    assert orders == [0, 1, 2, 3, 0, 5, 6, 7, 0, 9]
    assert unpacked.columns[0].missing().tolist() == [row % 4 == 0 for row in range(10)]
    assert spent == [row / 8 for row in range(10)]
    assert city[1] == "städt1"
    assert member == [bool(row % 2) for row in range(10)]
    assert 0 < redis_store.client.ttl(prefix + b"3") <= 3 * 86400
    assert redis_store.client.smembers("sb:groups") == {b"users"}
    assert not redis_store.client.exists("sb:{users}:publishing", "sb:{users}:parts:2026-11-24")


def test_the_next_batch_makes_the_current_one_the_previous(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    for day in ("2026-11-22", "2026-11-23", "2026-11-24"):
        line = published(redis_store, path, day)
    assert line.endswith("the previous batch is '2026-11-23'\n")
    listed = json.loads(features("list", "--json", store=redis_store.url).out)
    assert [(one["group"], one["current"]["batch"], one["previous"]["batch"]) for one in listed] == [
        ("users", "2026-11-24", "2026-11-23")
    ]
    assert [listed[0][which]["schema"] for which in ("current", "previous")] == [1, 1]
    assert "2026-11-24" in features("list", store=redis_store.url).out
    assert refused(redis_store, path, batch="2026-11-23") == (
        "group 'users': batch '2026-11-23' is the previous one: name another --batch"
    )
    said = refused(redis_store, path, batch="2026-11-22")
    assert "'scorebridge features drop users --batch 2026-11-22' removes its rows" in said


def test_the_same_command_again_says_that_the_batch_is_current(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    published(redis_store, path)
    before = redis_store.client.get(meta_key("users"))
    assert published(redis_store, path) == (
        "group 'users': batch '2026-11-24' is current already, with 10 entities of the same input\n"
    )
    assert redis_store.client.get(meta_key("users")) == before
    write_users(path, 12)
    assert refused(redis_store, path, batch="2026-11-24") == (
        "group 'users': batch '2026-11-24' is the current one: name another --batch"
    )


def test_by_default_the_batch_is_yesterday_in_the_group_s_time_zone(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    days = {}
    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):  # 25 hours apart: never the same day
        options = ("--input", path, "--key", "user_id", "--timezone", zone, "--json")
        done = features("publish", zone.rpartition("/")[2], *options, store=redis_store.url)
        days[zone] = json.loads(done.out)["batch"]
    assert days["Pacific/Niue"] < days["Pacific/Kiritimati"]


def test_far_fewer_entities_are_refused_and_leave_nothing(redis_store: RedisServer, tmp_path: Path) -> None:
    published(redis_store, write_users(tmp_path / "users.parquet", 20))
    before = keys(redis_store)
    fewer = write_users(tmp_path / "fewer.parquet", 17)
    assert refused(redis_store, fewer) == (
        "group 'users': the input has 17 entities, and batch '2026-11-24' has 20: fewer than 0.9 of them; if that is"
        " right, lower --min-share"
    )
    (tmp_path / "fewer.csv").write_text("user_id,orders\n1,2\n")
    options = ("--accept-schema", "--feature", "orders=int")
    assert "the input has 1 entities" in refused(redis_store, tmp_path / "fewer.csv", *options)
    assert "the input has no rows" in refused(redis_store, write_users(tmp_path / "none.parquet", 0))
    assert keys(redis_store) == before
    published(redis_store, fewer, "2026-11-25", "--min-share", "0.8")


def test_another_schema_needs_a_word(redis_store: RedisServer, tmp_path: Path) -> None:
    published(redis_store, write_users(tmp_path / "users.parquet"))
    other = write_users(tmp_path / "other.parquet", orders=pa.array(range(10), pa.float64()))
    assert refused(redis_store, other) == (
        "group 'users': feature 'orders' is int in batch '2026-11-24' and double in the input; --accept-schema takes it"
        " so"
    )
    published(redis_store, other, "2026-11-25", "--feature", "orders=int")  # every number is a whole one
    published(redis_store, other, "2026-11-26", "--accept-schema")
    group = described(redis_store)
    assert group.current is not None
    assert group.previous is not None
    assert (group.current.schema, group.previous.schema) == (2, 1)
    assert "has the time zone UTC" in refused(redis_store, other, "--timezone", "Asia/Shanghai", batch="2026-11-27")
    done = features("verify", "users", store=redis_store.url)
    assert (done.code, done.out.splitlines()) == (
        0,
        ["ok: batch '2026-11-26': 10 of 10 rows", "ok: batch '2026-11-25': 10 of 10 rows"],
    )


def test_features_in_another_order_are_no_other_schema(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    published(redis_store, path)
    published(redis_store, path, "2026-11-25", *(f"--column={name}" for name in ("member", "city", "spent", "orders")))
    found = json.loads(features("show", "users", "--entity", "7", "--json", store=redis_store.url).out)
    assert found["current"]["schema"] == 1
    assert found["entity"] == [
        {
            "batch": day,
            "values": {"orders": 7, "spent": 0.875, "city": "städt7", "member": True},
            "problem": None,
        }
        for day in ("2026-11-25", "2026-11-24")
    ]


def test_a_csv_file_s_features_are_double_unless_stated(redis_store: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text('user;orders;spent;city\n007;3;1,5;"x;y"\nanna;NA;;NA\n', encoding="cp1252")
    options = ("--input", path, "--key", "user", "--batch", "b", "--separator", ";", "--decimal", ",")
    types = ("--encoding", "cp1252", "--feature", "orders=int", "--feature", "city=string")
    done = features("publish", "csv", *options, *types, store=redis_store.url)
    assert (done.code, done.err) == (0, "")
    found = {
        entity: json.loads(features("show", "csv", "--entity", entity, "--json", store=redis_store.url).out)["entity"]
        for entity in ("007", "anna", "7")
    }
    assert found["007"][0]["values"] == {"orders": 3, "spent": 1.5, "city": "x;y"}
    assert found["anna"][0]["values"] == {"orders": None, "spent": None, "city": None}
    assert found["7"][0]["values"] is None
    done = features("publish", "other", *options, "--encoding", "cp1252", store=redis_store.url)
    assert "users.csv, row 1, column 'city'" in done.err


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"user_id": pa.array([1, 2, 1])}, "users.parquet, row 1, and {path}, row 3: an entity has one"),
        ({"user_id": pa.array(["a", None, "c"])}, "row 2, column 'user_id': the row has no key"),
        ({"user_id": pa.array(["a", "b", "c" * 1025])}, "row 3, column 'user_id': the key is longer"),
        ({"user_id": pa.array([1.0, 2.0, 3.0])}, "cast it to text or a whole number"),
        ({"user_id": pa.array([True, False, True])}, "cast it to text or a whole number"),
        ({"orders": pa.array([1, 2**53 + 1, 3])}, "row 2, column 'orders': not a whole number within +-2^53"),
        ({"orders": pa.array([1, -(2**31), 3], pa.int32())}, "row 2, column 'orders': not a value of type int"),
        ({"city": pa.array(["a", "b", "c" * (1 << 20) + "d"])}, "row 3, column 'city': a text of 1048577 bytes"),
        ({"city": pa.array(["a", "b\0", "c"])}, "row 2, column 'city': the text holds a NUL"),
        ({"city": pa.nulls(3)}, "column 'city' has no type, as no file has a value: state it by --feature city=TYPE"),
        ({"orders": pa.array([[1], [2], [3]])}, "which no model takes"),
    ],
)
def test_rows_that_no_store_may_hold_are_named(
    redis_store: RedisServer, tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    path = write_users(tmp_path / "users.parquet", 3, **columns)
    assert said.format(path=path) in refused(redis_store, path)
    assert keys(redis_store) == []


def test_options_that_do_not_fit_are_refused(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    for options, said in [
        (("--ttl", "3"), "a whole number with a unit"),
        (("--ttl", "5s"), "a minute to 366 days"),
        (("--min-share", "1.5"), "from 0 to 1"),
        (("--timezone", "Mars/Olympus"), "no such time zone"),
        (("--column", "nobody"), "there is no column 'nobody'"),
        (("--feature", "nobody=int"), "--feature names 'nobody'"),
        (("--feature", "city=int"), "column 'city' is string, and --feature says int"),
    ]:
        assert said in refused(redis_store, path, *options)
    assert "a batch is named by up to 64 letters" in refused(redis_store, path, batch="a:b")
    assert "a group is named" in features("show", "a:b", store=redis_store.url).err
    (tmp_path / "users.jsonl").write_text('{"user_id": 1}\n')
    assert "published from CSV, Parquet or Arrow" in refused(redis_store, tmp_path / "users.jsonl")
    for url in ("redis://x@h", "http://h", "redis://h:70000", "redis://h/x", "sentinel://h", "redis://a,b", "memory:f"):
        done = features("list", store=url)
        assert (done.code, len(done.err.splitlines())) == (1, 1)


def test_a_folder_of_files_is_one_input(redis_store: RedisServer, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    folder.mkdir()
    write_users(folder / "a.parquet", 3, city=pa.nulls(3))
    write_users(folder / "b.parquet", 3, user_id=pa.array([3, 4, 5]))
    assert "with 6 entities" in published(redis_store, folder)
    write_users(folder / "c.parquet", 1, user_id=pa.array([4]))
    assert "b.parquet, row 2, and" in refused(redis_store, folder)
    write_users(folder / "c.parquet", 1, user_id=pa.array([9]), city=pa.array([1]))
    assert "column 'city' is int64 in" in refused(redis_store, folder)


def test_verify_finds_what_is_missing_malformed_or_never_expires(redis_store: RedisServer, tmp_path: Path) -> None:
    published(redis_store, write_users(tmp_path / "users.parquet"))
    prefix = row_prefix("users", "2026-11-24")
    redis_store.client.delete(prefix + b"3")
    redis_store.client.set(prefix + b"4", b"no row", ex=100)
    redis_store.client.persist(prefix + b"5")
    redis_store.client.delete(prefix + b"6")
    redis_store.client.rpush(prefix + b"6", "a list")
    done = features("verify", "users", store=redis_store.url)
    assert (done.code, done.out) == (
        1,
        "NOT OK: batch '2026-11-24': 9 of 10 rows, 2 can't be read, 2 never expire\n",
    )
    found = json.loads(features("verify", "users", "--json", store=redis_store.url).out)
    assert not found["ok"]
    assert found["batches"][0]["batch"] == "2026-11-24"
    shown = json.loads(features("show", "users", "--entity", "4", "--json", store=redis_store.url).out)
    assert shown["entity"][0]["problem"] == "not a row of the batch's schema"


def test_drop_takes_a_batch_or_the_whole_group(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    published(redis_store, path, "2026-11-23")
    published(redis_store, path)
    redis_store.client.set("sb:{users2}:meta", "another's")
    done = features("drop", "users", "--batch", "2026-11-24", store=redis_store.url)
    assert (done.code, done.err) == (
        1,
        "group 'users': batch '2026-11-24' is the current one, and stays: publish another first\n",
    )
    done = features("drop", "users", "--batch", "2026-11-23", store=redis_store.url)
    assert done.out == "dropped batch '2026-11-23' of group 'users': 11 keys\n"
    assert described(redis_store).previous is None
    published(redis_store, path, "2026-11-23")
    assert features("drop", "users", store=redis_store.url).code == 0
    assert keys(redis_store) == ["sb:{users2}:meta"]
    assert features("show", "users", store=redis_store.url).err.startswith("the store has no group 'users'")


def test_a_stream_s_group_is_declared_and_shown(redis_store: RedisServer) -> None:
    options = ("--feature", "orders=int", "--feature", "spent=double", "--timezone", "Asia/Shanghai")
    for _ in range(2):
        assert features("declare", "today", *options, store=redis_store.url).code == 0
    done = features("declare", "today", "--feature", "orders=int", store=redis_store.url)
    assert "has other features, days or another time zone; --accept-schema" in done.err
    assert "is a text" in features("declare", "t", "--feature", "city=string", store=redis_store.url).err
    for days, code in ((0, 1), (32, 1), (3, 1)):  # the last one is another than before
        assert features("declare", "today", *options, "--keep-days", days, store=redis_store.url).code == code
    assert features("declare", "today", *options, "--keep-days", 3, "--accept-schema", store=redis_store.url).code == 0
    group = described(redis_store, "today")
    assert group.keep_days == 3
    seconds, _ = redis_store.client.time()
    key = row_prefix("today", group.day(seconds * 1000), group.kind) + b"42"
    redis_store.client.hincrbyfloat(key, "orders", 1)
    redis_store.client.hincrbyfloat(key, "spent", 1.25)
    redis_store.client.expire(key, 86_400)
    shown = json.loads(features("show", "today", "--entity", "42", "--json", store=redis_store.url).out)
    assert shown["entity"][0]["values"] == {"orders": "1", "spent": "1.25"}
    assert features("verify", "today", store=redis_store.url).out == "ok: days: 1 rows\n"
    redis_store.client.hset(key, "orders", "1.5")
    redis_store.client.persist(key)
    assert features("verify", "today", store=redis_store.url).out == (
        "NOT OK: days: 1 rows, 1 can't be read, 1 never expire\n"
    )


@pytest.mark.parametrize(
    ("kind", "number", "fits"),
    [("int64", "9007199254740993", False), ("bool", "7", False), ("bool", "1", True), ("double", "1e999", False)],
)
def test_verify_and_lookups_agree_on_what_is_a_number(
    redis_store: RedisServer, kind: str, number: str, fits: bool
) -> None:
    assert features("declare", "today", "--feature", f"n={kind}", store=redis_store.url).code == 0
    key = row_prefix("today", "2026-11-25", GroupKind.STREAM) + b"42"
    redis_store.client.hset(key, "n", number)
    redis_store.client.expire(key, 86_400)
    assert features("verify", "today", store=redis_store.url).code == (0 if fits else 1)


def test_a_group_is_of_one_kind(redis_store: RedisServer, tmp_path: Path) -> None:
    published(redis_store, write_users(tmp_path / "users.parquet"))
    assert "published in batches" in features("declare", "users", "--feature", "a=int", store=redis_store.url).err
    features("declare", "today", "--feature", "orders=int", store=redis_store.url)
    options = ("--input", tmp_path / "users.parquet", "--key", "user_id")
    assert "is written by a stream" in features("publish", "today", *options, store=redis_store.url).err


def test_a_store_that_may_evict_is_named(tmp_path: Path) -> None:
    with redis_server("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru") as server:
        path = write_users(tmp_path / "users.parquet")
        done = features("publish", "users", "--input", path, "--key", "user_id", store=server.url)
    assert done.code == 0
    assert (
        done.err == "the store may evict rows when it is full (maxmemory-policy allkeys-lru): set that to noeviction\n"
    )
