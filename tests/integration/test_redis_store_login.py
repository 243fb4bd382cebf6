"""Logging in to a store in Redis: passwords in files, users, TLS and unix sockets."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Pair
from redis_servers import RedisServer, free_port, opened_store, redis_server, within

from bridge.config import ConfigError
from bridge.features.stores.redis_store import RedisStore
from bridge.lookup_errors import StoreUnavailable
from bridge.store_settings import StoreSettings

KEY = b"sb:{customers}:row:2026-11-24:7"


async def reads(url: str, **settings: Any) -> bool:
    async with opened_store(url, **settings) as store:
        return await store.rows([KEY], within()) == [b"row"]


async def refusal(url: str, **settings: Any) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await reads(url, **settings)
    return str(caught.value)


@pytest.fixture
def locked() -> Iterator[RedisServer]:
    with redis_server(password="first secret") as server:  # noqa: S106 - of a server for this test
        server.client.set(KEY, "row")
        yield server


@pytest.mark.parametrize("text", ["first secret", "first secret\n"])
async def test_the_password_comes_from_a_file(locked: RedisServer, tmp_path: Path, text: str) -> None:
    (tmp_path / "password").write_text(text)
    assert await reads(locked.url, password_file=tmp_path / "password")


@pytest.mark.parametrize("text", ["first secret\n\n", "first secret ", "wrong"])
async def test_a_wrong_password_is_an_error_that_does_not_show_it(
    locked: RedisServer, tmp_path: Path, text: str
) -> None:
    (tmp_path / "password").write_text(text)
    said = await refusal(locked.url, password_file=tmp_path / "password")
    assert said == "store 'features' answers with the error WRONGPASS"


async def test_a_store_that_asks_for_a_password_says_so(locked: RedisServer) -> None:
    assert await refusal(locked.url) == "store 'features' answers with the error NOAUTH: it asks for a password_file"


async def test_a_changed_password_is_read_for_the_next_connection(locked: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("first secret")
    async with opened_store(locked.url, password_file=path, failures=100) as store:
        assert await store.rows([KEY], within()) == [b"row"]
        locked.client.config_set("requirepass", "second secret")
        locked.client.client_kill_filter(_type="normal", skipme=True)
        await _disconnected(store)
        path.write_text("second secret\n")
        assert await store.rows([KEY], within()) == [b"row"]
        path.unlink()
        locked.client.client_kill_filter(_type="normal", skipme=True)
        await _disconnected(store)
        with pytest.raises(StoreUnavailable, match=r"password_file can't be read \(No such file or directory\)"):
            await store.rows([KEY], within())


async def _disconnected(store: RedisStore) -> None:
    """Returns as soon as a call fails: the end of the old connection may not have been seen yet."""
    with suppress(StoreUnavailable):
        while True:
            await store.rows([KEY], within())


async def test_a_user_with_rights_of_his_own(locked: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("of the reader")
    locked.run("ACL", "SETUSER", "reader", "on", ">of the reader", "~sb:{customers}:*", "+mget", "+ping")
    login = {"username": "reader", "password_file": tmp_path / "password"}
    assert await reads(locked.url, **login)
    async with opened_store(locked.url, failures=2, **login) as store:
        for _ in range(5):
            with pytest.raises(StoreUnavailable, match=r"answers with the error NOPERM$"):
                await store.rows([b"sb:{others}:row:b:7"], within())
        assert await store.rows([KEY], within()) == [b"row"]  # one group's error keeps nobody from the others
        assert store.state == ""
    locked.run("ACL", "SETUSER", "open", "on", "nopass", "~*", "+@all")
    assert await reads(locked.url, username="open")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: None, r"password_file can't be read \(No such file or directory\)"),
        (Path.mkdir, r"password_file can't be read \(Is a directory\)"),
        (_fifo, "password_file is not a regular file, but a FIFO"),
        (lambda path: path.write_text(""), "password_file is empty"),
        (lambda path: path.write_text("\n"), "password_file is empty"),
        (lambda path: path.write_text("p" * 4097), "password_file is larger than 4 KiB"),
    ],
)
def test_a_gateway_does_not_start_without_the_password(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "password")
    with pytest.raises(ConfigError, match=f"stores.features: can't be asked: {says}"):
        RedisStore("features", StoreSettings(url="redis://localhost", password_file=tmp_path / "password"))


async def test_a_unix_socket(tmp_path: Path) -> None:
    with redis_server("--unixsocket", str(tmp_path / "redis.sock")) as server:
        server.client.set(KEY, "row")
        assert await reads(f"unix://{tmp_path}/redis.sock")
        assert not await reads(f"unix://{tmp_path}/redis.sock?db=1")
    assert "can't be reached (No such file" in await refusal(f"unix://{tmp_path}/none.sock")


class Secured:
    """A server with TLS.

    Attributes:
        url: of a store in it.
    """

    def __init__(self, authority: Authority, server: Pair, *options: str) -> None:
        self.authority = authority
        port = free_port()
        self.url = f"rediss://localhost:{port}"
        files = ("--tls-cert-file", str(server.certificate), "--tls-key-file", str(server.key))
        trust = ("--tls-ca-cert-file", str(authority.certificate))
        self.context = redis_server("--tls-port", str(port), *files, *trust, *options)


async def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    secured = Secured(authority, authority.issue("redis", "DNS:localhost"), "--tls-auth-clients", "no")
    with secured.context as server:
        server.client.set(KEY, "row")
        assert await reads(secured.url, tls_ca=authority.certificate)
        # The machine's authorities do not know it, nor does another authority; and it has only this one name.
        assert "not trusted: self-signed certificate in certificate chain" in await refusal(secured.url)
        other = Authority(tmp_path / "other")
        assert "not trusted: " in await refusal(secured.url, tls_ca=other.certificate)
        by_address = secured.url.replace("localhost", "127.0.0.1")
        assert "not trusted: IP address mismatch" in await refusal(by_address, tls_ca=authority.certificate)
        assert "closed the connection" in await refusal(secured.url.replace("rediss", "redis"))


async def test_tls_with_a_certificate_of_the_gateways_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    secured = Secured(authority, authority.issue("redis", "DNS:localhost"), "--tls-auth-clients", "yes")
    own = authority.issue("gateway")
    with secured.context as server:
        server.client.set(KEY, "row")
        shown = {"tls_certificate": own.certificate, "tls_key": own.key}
        assert await reads(secured.url, tls_ca=authority.certificate, **shown)
        said = await refusal(secured.url, tls_ca=authority.certificate)
        assert said == "store 'features' closed the connection"


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_gateway_does_not_start_without_the_files_of_tls(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(ConfigError, match=r"stores.features: can't be asked: tls_ca, tls_certificate or tls_key"):
        RedisStore("features", StoreSettings(url="rediss://localhost", tls_ca=tmp_path / "ca.pem"))


def test_a_key_that_asks_for_a_passphrase_is_refused_instead_of_asked_for(tmp_path: Path) -> None:
    own = Authority(tmp_path).issue("gateway")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:word", "-in", str(own.key), "-out", str(locked)],
        check=True,
        capture_output=True,
    )
    settings = StoreSettings(url="rediss://localhost", tls_certificate=own.certificate, tls_key=locked)
    with pytest.raises(ConfigError, match="tls_key can't be read"):
        RedisStore("features", settings)
