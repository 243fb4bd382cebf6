"""The URL of a store in Redis."""

import pytest

from bridge.config import ConfigError
from bridge.features.stores.redis_url import RedisUrl, read_url
from bridge.store_settings import StoreSettings


def read(url: str) -> RedisUrl:
    return read_url("features", StoreSettings(url=url))


@pytest.mark.parametrize(
    ("url", "addresses", "database", "service", "cluster"),
    [
        ("redis://cache", (("cache", 6379),), 0, "", False),
        ("redis://cache/", (("cache", 6379),), 0, "", False),
        ("redis://cache:7000/12", (("cache", 7000),), 12, "", False),
        ("rediss://[::1]:7000/0", (("::1", 7000),), 0, "", False),
        ("unix:///run/redis.sock", ("/run/redis.sock",), 0, "", False),
        ("unix:///run/a%20b.sock?db=3", ("/run/a b.sock",), 3, "", False),
        ("sentinel://a:1,b,[::1]:2/features/4", (("a", 1), ("b", 26379), ("::1", 2)), 4, "features", False),
        ("sentinels://a/features", (("a", 26379),), 0, "features", False),
        ("cluster://a:1,b", (("a", 1), ("b", 6379)), 0, "", True),
        ("clusters://a/0", (("a", 6379),), 0, "", True),
    ],
)
def test_every_form_is_read(
    url: str, addresses: tuple[object, ...], database: int, service: str, cluster: bool
) -> None:
    found = read(url)
    assert (found.addresses, found.database, found.service, found.cluster) == (addresses, database, service, cluster)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://:7000", "a server has no host"),
        ("redis:///0", "a server has no host"),
        ("redis://a:65536", "[Pp]ort"),
        ("redis://a:port", "[Pp]ort"),
        ("redis://[::1", "IPv6"),
        ("redis://a/one", "the database must be a whole number from 0 up"),
        ("redis://a/-1", "the database must be a whole number from 0 up"),
        ("redis://a/99999999999999999999999999", "the database must be a whole number from 0 up"),
        ("redis://a/1/2", "the database must be a whole number from 0 up"),
        ("redis://a?db=1", "nothing may stand behind"),
        ("redis://a#b", "nothing may stand behind"),
        ("redis://a,b", "redis:// has one server; for more there are sentinel:// and cluster://"),
        ("unix://run/redis.sock", "write unix:///PATH"),
        ("unix:///", "write unix:///PATH"),
        ("unix:///a?database=1", "write unix:///PATH"),
        ("unix:///a?db=1&db=2", "write unix:///PATH"),
        ("sentinel://a", "write sentinel://HOST:PORT,HOST:PORT/SERVICE/DB"),
        ("sentinels://a//1", "write sentinels://HOST:PORT,HOST:PORT/SERVICE/DB"),
        ("sentinel://a,/features", "a server has no host"),
        ("cluster://a/1", "a cluster has no database but 0"),
        ("cluster://" + ",".join(["a"] * 65), "it has 65 servers; it may have 64"),
    ],
)
def test_all_else_is_refused_by_the_stores_name(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^stores.features: url: .*{says}"):
        read(url)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "sentinel", "cluster", "unix"])
@pytest.mark.parametrize(
    "rest",
    ["//user:SECRET", "//user:SECRET/0", "//user:SECRET@[a/0", "//a:SECRET/0", "///a?SECRET", "//SECRET\u2100/0"],
)
def test_a_password_that_stands_where_it_must_not_is_not_said(scheme: str, rest: str) -> None:
    with pytest.raises((ConfigError, ValueError)) as caught:
        read(f"{scheme}:{rest}")
    assert "SECRET" not in str(caught.value)
