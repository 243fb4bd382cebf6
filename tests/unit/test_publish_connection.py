"""How a store's settings become a client: every form of the URL, and no password in any message."""

from pathlib import Path
from typing import Any

import pytest
from redis.sentinel import SentinelConnectionPool

from bridge.features.publishing.connection import connect
from bridge.features.publishing.publishing_errors import StoreRefused
from bridge.store_settings import StoreSettings


def asked(url: str, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """The pool of a client that has not connected yet, and what its connections are made with."""
    client = connect(StoreSettings(url=url, **settings))
    client.close()
    return client.connection_pool, client.connection_pool.connection_kwargs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://redis:7000/3", {"host": "redis", "port": 7000, "db": 3}),
        ("redis://redis", {"host": "redis", "port": 6379, "db": 0}),
        ("redis://[::1]:7000/0", {"host": "::1", "port": 7000, "db": 0}),
        ("unix:///run/redis%20here.sock?db=2", {"path": "/run/redis here.sock", "db": 2}),
    ],
)
def test_a_url_names_one_server(url: str, expected: dict[str, object]) -> None:
    found = asked(url)[1]
    assert {name: found[name] for name in expected} == expected


def test_sentinels_are_asked_for_the_primary() -> None:
    pool, found = asked("sentinel://a:1,b/shop/4")
    assert isinstance(pool, SentinelConnectionPool)
    assert (pool.service_name, found["db"]) == ("shop", 4)
    asked_of = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"]) for one in asked_of] == [("a", 1), ("b", 26379)]


def test_certificates_and_names_are_always_checked_with_tls(tmp_path: Path) -> None:
    found = asked("rediss://redis:7000/0", tls_ca=tmp_path / "ca.pem")[1]
    assert (found["ssl_cert_reqs"], found["ssl_check_hostname"]) == ("required", True)
    assert found["ssl_ca_certs"] == str(tmp_path / "ca.pem")


def test_a_password_is_read_for_each_connection(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("first\n")
    found = asked("redis://redis", username="night", password_file=path)[1]["credential_provider"]
    assert found.get_credentials() == ("night", "first")
    path.write_text("second")
    assert found.get_credentials() == ("night", "second")
    path.write_bytes(b"\xff")
    with pytest.raises(StoreRefused, match="must hold a password"):
        found.get_credentials()
    for content in ("", "\n", "x" * 4097):
        path.write_text(content)
        with pytest.raises(StoreRefused, match="must hold a password"):
            connect(StoreSettings(url="redis://redis", password_file=path))


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://a:b",
        "redis://a:0",
        "redis://a:65536",
        "redis://a/x",
        "redis://a/-1",
        "redis://a,b",
        "redis://a,",
        "sentinel://a",
        "sentinel://a/shop/x",
        "unix:///run/redis?db=x",
        "memory:users.parquet",
    ],
)
def test_a_url_that_says_no_server_is_refused(url: str) -> None:
    try:
        settings = StoreSettings(url=url)
    except ValueError:
        return
    with pytest.raises(StoreRefused):
        connect(settings)


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(StoreRefused, match="username without password_file"):
        connect(StoreSettings(url="redis://redis", username="night"))
