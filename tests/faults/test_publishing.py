"""Publishers that die, that are taken for dead, that meet, and stores that are full, gone or evict what they hold."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from certificates import Authority
from features_commands import features, write_users
from fixtures import ROOT
from redis_servers import RedisServer, free_port, redis_server, redis_store
from waiting import eventually_now

from bridge.columns import Column, Type
from bridge.features.publishing.connection import connect
from bridge.features.publishing.file_publishing import publish_files
from bridge.features.publishing.lock import PublishingLock
from bridge.features.publishing.options import PublicationOptions
from bridge.features.publishing.publication import Publication, begin
from bridge.features.publishing.publishing_errors import GroupBusy, PublicationLost, PublicationRefused
from bridge.features.publishing.table_input import InputPart, TableInput, open_input
from bridge.features.stores.group import Group, GroupFeature, GroupKind, meta_key, row_prefix, write_meta
from bridge.row_files.csv_dialect import Dialect
from bridge.store_settings import StoreSettings

__all__ = ["redis_store"]

ROWS = 120_000
PART_ROWS = 10_000
LOCK, PARTS = "sb:{users}:publishing", "sb:{users}:parts:b"
FEATURES = (GroupFeature("x", Type.DOUBLE),)
X = [Column("x", Type.DOUBLE, np.array([1.5, 2.5]))]
KEYS = [b"a", b"b"]


@pytest.fixture
def client(redis_store: RedisServer) -> Iterator[Any]:
    one = connect(StoreSettings(url=redis_store.url))
    yield one
    one.close()


def command(path: Path, url: str, *more: str) -> list[str]:
    publish = ["features", "publish", "users", "--input", str(path), "--key", "user_id", "--batch", "b"]
    return [sys.executable, "-m", "bridge", *publish, "--store", url, *more]


def started(path: Path, url: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command(path, url), env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def killed_halfway(path: Path, server: RedisServer, number: int) -> str:
    """Ends a publication by a signal when it has written a few parts; returns what it said on standard error."""
    client: Any = server.client
    process = started(path, server.url)
    eventually_now(lambda: client.hlen(PARTS) >= 2)
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode != 0
    assert not client.exists(meta_key("users"))
    return said


def written(server: RedisServer) -> int:
    """The rows that were written since the server's statistics were reset."""
    client: Any = server.client
    return int(client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"])


def test_a_publication_that_was_killed_goes_on_behind_its_finished_parts(
    redis_store: RedisServer, tmp_path: Path
) -> None:
    path = write_users(tmp_path / "users.parquet", ROWS)
    killed_halfway(path, redis_store, signal.SIGKILL)
    client: Any = redis_store.client
    assert client.exists(LOCK)
    client.pexpire(LOCK, 500)  # as if most of its 30 s were over
    finished = client.hlen(PARTS)
    client.config_resetstat()
    again = started(path, redis_store.url)
    assert f"batch 'b' is current, with {ROWS} entities" in again.communicate()[0]
    assert ROWS - finished * PART_ROWS <= written(redis_store) <= ROWS - finished * PART_ROWS + 10
    assert features("verify", "users", store=redis_store.url).code == 0


def test_one_that_was_asked_to_end_gives_its_lock_back_and_another_input_is_refused(
    redis_store: RedisServer, tmp_path: Path
) -> None:
    path = write_users(tmp_path / "users.parquet", ROWS)
    killed_halfway(path, redis_store, signal.SIGTERM)
    assert not redis_store.client.exists(LOCK)
    write_users(path, 5)
    options = ("--input", path, "--key", "user_id", "--batch", "b")
    done = features("publish", "users", *options, store=redis_store.url)
    assert (done.code, done.out) == (1, "")
    assert "'scorebridge features drop users --batch b' removes its rows" in done.err
    assert features("drop", "users", "--batch", "b", store=redis_store.url).code == 0
    assert "with 5 entities" in features("publish", "users", *options, store=redis_store.url).out
    assert features("verify", "users", store=redis_store.url).out == "ok: batch 'b': 5 of 5 rows\n"


class Interrupted(TableInput):
    """An input behind whose last part something happens to the store."""

    def __init__(self, whole: TableInput, happens: Any) -> None:
        self.__dict__.update(whole.__dict__)
        self._happens = happens

    def parts(self, features: Sequence[GroupFeature]) -> Iterator[InputPart]:
        yield from super().parts(features)
        self._happens()


def users_input(path: Path) -> TableInput:
    return open_input([str(path)], "user_id", Dialect(), types={})


def test_rows_that_the_store_has_evicted_are_noticed_and_written_again(client: Any, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    options = PublicationOptions(group="users", batch="b")
    evict = row_prefix("users", "b") + b"3"
    with pytest.raises(PublicationRefused, match="has 9 rows in the store instead of 10: the store has evicted some"):
        publish_files(client, Interrupted(users_input(path), lambda: client.delete(evict)), options)
    assert not client.exists(meta_key("users"))
    assert publish_files(client, users_input(path), options).batch.entities == 10


def test_rows_that_somebody_else_wrote_are_noticed(client: Any, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    foreign = row_prefix("users", "b") + b"foreign"
    whole = Interrupted(users_input(path), lambda: client.set(foreign, b"row"))
    with pytest.raises(PublicationRefused, match="has 11 rows in the store instead of 10: others wrote some"):
        publish_files(client, whole, PublicationOptions(group="users", batch="b"))


def test_an_input_that_changes_meanwhile_is_refused_and_its_rows_are_removed(client: Any, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    whole = users_input(path)
    write_users(path, 11)
    with pytest.raises(PublicationRefused, match="the input has changed while it was published"):
        publish_files(client, whole, PublicationOptions(group="users", batch="b"))
    assert client.keys("*") == []


def test_a_group_that_changes_meanwhile_is_not_flipped(client: Any, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    other = write_meta(Group("users", GroupKind.BATCH, "Asia/Shanghai"))
    whole = Interrupted(users_input(path), lambda: client.set(meta_key("users"), other))
    with pytest.raises(PublicationLost, match="somebody has changed it meanwhile: nothing was flipped"):
        publish_files(client, whole, PublicationOptions(group="users", batch="b"))
    assert client.get(meta_key("users")) == other


def test_a_living_publisher_is_not_disturbed(client: Any) -> None:
    with (
        PublishingLock(client, "users", expiry_s=0.3),
        pytest.raises(GroupBusy, match="group 'users' is being published by process"),
    ):
        PublishingLock(client, "users", expiry_s=0.3).take()
    assert not client.exists(LOCK)


def test_a_dead_publisher_is_waited_for(client: Any) -> None:
    client.set(LOCK, "host-7:4711:token", px=300)
    said: list[str] = []
    with PublishingLock(client, "users", said.append, expiry_s=0.3):
        assert said == ["group 'users': process 4711 on host-7 holds its lock; waiting to see if it still lives"]


def test_a_lock_is_renewed_and_its_loss_noticed(client: Any) -> None:
    with PublishingLock(client, "users", expiry_s=0.3) as lock:
        before = client.pttl(LOCK)
        eventually_now(lambda: client.pttl(LOCK) > before - 50)
        lock.check()
        client.set(LOCK, "another's")

        def lost() -> bool:
            try:
                lock.check()
            except PublicationLost:
                return True
            return False

        eventually_now(lost)
    assert client.get(LOCK) == b"another's"


def begun(client: Any, token: str, mark: str = "input") -> Publication:
    client.set(LOCK, token)
    return begin(client, token, PublicationOptions(group="users", batch="b"), FEATURES, mark, replace_rest=True)


def test_a_publisher_that_was_taken_for_dead_spoils_nothing(client: Any) -> None:
    first = begun(client, "first")
    first.writer.write(client, KEYS, X)
    second = begun(client, "second", "another input")
    assert not client.exists(row_prefix("users", "b") + b"a")
    second.writer.write(client, [b"c", b"d"], X)
    with pytest.raises(PublicationLost, match="another publisher has taken this batch over"):
        first.writer.write(client, KEYS, X)
    with pytest.raises(PublicationLost, match="its lock is another publisher's: nothing was flipped"):
        first.flip(2)
    first.abort()
    second.verify(2)
    assert second.flip(2).entities == 2
    second.abort()  # behind the flip it removes nothing
    assert client.exists(row_prefix("users", "b") + b"c")


def test_parts_that_are_too_old_are_written_again(client: Any) -> None:
    options = PublicationOptions(group="users", batch="b", ttl_s=60)
    client.set(LOCK, "first")
    begin(client, "first", options, FEATURES, "input").writer.finish(client, "0", 2)
    assert begin(client, "first", options, FEATURES, "input").finished == {"0": 2}
    run = client.get("sb:{users}:run:b")
    client.set("sb:{users}:run:b", re.sub(rb'"begun_ms": [0-9]+', b'"begun_ms": 1', run))  # long ago
    assert begin(client, "first", options, FEATURES, "input").finished == {}


def test_a_full_store_and_one_that_evicts_keep_the_batch_from_being_current(tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet", 60_000)
    options = ("--input", path, "--key", "user_id", "--batch", "b")
    with redis_server("--maxmemory", "5mb") as server:
        done = features("publish", "users", *options, store=server.url)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("the store refused a command: ")
        assert "memory" in done.err
        assert not server.client.exists(meta_key("users"))
    with redis_server("--maxmemory", "5mb", "--maxmemory-policy", "allkeys-random") as server:
        done = features("publish", "users", *options, store=server.url)
        assert (done.code, done.out) == (1, "")
        assert not server.client.exists(meta_key("users"))


def test_a_store_that_is_not_there_is_named_in_one_sentence(tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    done = features("publish", "users", "--input", path, "--key", "user_id", store=f"redis://127.0.0.1:{free_port()}/0")
    assert (done.code, done.out) == (1, "")
    assert done.err == "the store can't be reached (ConnectionError)\n"


def test_a_user_may_need_a_password_and_rights(redis_store: RedisServer, tmp_path: Path) -> None:
    client: Any = redis_store.client
    rights = (
        (ROOT / "docs" / "features.md").read_text(encoding="utf-8").partition("ACL SETUSER night ")[2].splitlines()[0]
    )
    client.execute_command("ACL", "SETUSER", "night", *rights.replace("PASSWORD", "secret").split())
    client.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["sb:*"], categories=["+@read"])
    password = tmp_path / "password"
    password.write_text("secret\n")
    wrong = tmp_path / "wrong"
    wrong.write_text("swordfish")
    path = write_users(tmp_path / "users.parquet")
    options = ("--input", path, "--key", "user_id", "--username")
    done = features("publish", "users", *options, "night", "--password-file", wrong, store=redis_store.url)
    assert done.err == "the store does not know this user with this password: see username and password_file\n"
    done = features("publish", "users", *options, "reader", "--password-file", password, store=redis_store.url)
    assert done.err.startswith("the store refused a command: ")
    assert "swordfish" not in done.err
    done = features("publish", "users", *options, "night", "--password-file", password, store=redis_store.url)
    assert (done.code, done.err) == (0, "")
    assert " bytes an entity" in done.out
    known = ("--username", "night", "--password-file", password)
    assert features("verify", "users", *known, store=redis_store.url).code == 0
    assert features("drop", "users", *known, store=redis_store.url).code == 0
    done = features("publish", "users", *options, "night", "--password-file", tmp_path / "none", store=redis_store.url)
    assert (done.code, done.err) == (1, f"{tmp_path / 'none'}: No such file or directory\n")


def test_a_store_with_tls_is_known_by_its_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    server_pair, own = authority.issue("redis", "IP:127.0.0.1"), authority.issue("night")
    port = free_port()
    options = {
        "--tls-port": port,
        "--tls-cert-file": server_pair.certificate,
        "--tls-key-file": server_pair.key,
        "--tls-ca-cert-file": authority.certificate,
    }
    path = write_users(tmp_path / "users.parquet")
    publish = ("publish", "users", "--input", path, "--key", "user_id")
    url = f"rediss://127.0.0.1:{port}/0"
    with redis_server(*(str(part) for pair in options.items() for part in pair)):
        known = ("--tls-cert", own.certificate, "--tls-key", own.key)
        done = features(*publish, *known, store=url)
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert "the store can't be reached" in done.err
        assert features(*publish, *known, "--tls-ca", authority.certificate, store=url).code == 0
        assert "must both be set" in features(*publish, "--tls-cert", own.certificate, store=url).err


@contextmanager
def sentinel(server: RedisServer, folder: Path) -> Iterator[str]:
    """A Sentinel that watches the server; yields the URL of the store behind it."""
    port = free_port()
    settings = folder / "sentinel.conf"
    settings.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {server.port} 1\n")
    process = subprocess.Popen(["redis-server", str(settings), "--sentinel"], stdout=subprocess.DEVNULL)
    watcher: Any = None
    try:
        url = f"sentinel://127.0.0.1:{port}/shop/3"
        watcher = connect(StoreSettings(url=url))
        eventually_now(lambda: _answers(watcher))
        yield url
        watcher.close()
        assert port not in {one.raddr.port for one in psutil.Process().net_connections("tcp") if one.raddr}
    finally:
        watcher.close()
        process.kill()
        process.wait()


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except ConnectionError:
        return False
    except Exception as error:
        if type(error).__name__ in {"MasterNotFoundError", "ConnectionError"}:
            return False
        raise


def test_behind_sentinel_the_primary_is_written(redis_store: RedisServer, tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    with sentinel(redis_store, tmp_path) as url:
        assert features("publish", "users", "--input", path, "--key", "user_id", store=url).code == 0
        assert features("verify", "users", store=url).code == 0
    assert redis_store.client.info("keyspace")["db3"]["keys"] == 13


def test_a_cluster_is_written_to(tmp_path: Path) -> None:
    path = write_users(tmp_path / "users.parquet")
    with redis_server("--cluster-enabled", "yes") as server:
        client: Any = server.client
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        eventually_now(lambda: client.cluster("info")["cluster_state"] == "ok")
        url = f"cluster://127.0.0.1:{server.port}"
        for batch in ("2026-11-23", "2026-11-24"):
            options = ("--input", path, "--key", "user_id", "--batch", batch)
            done = features("publish", "users", *options, store=url)
            assert (done.code, done.err) == (0, "")
        assert features("verify", "users", store=url).out == (
            "ok: batch '2026-11-24': 10 of 10 rows\nok: batch '2026-11-23': 10 of 10 rows\n"
        )
        assert features("list", store=url).code == 0
        assert features("drop", "users", store=url).code == 0
        assert client.dbsize() == 0
