"""Reads the URL of a Redis store."""

from collections.abc import Sequence
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from bridge.config import ConfigError
from bridge.store_settings import StoreSettings
from bridge.values import value

__all__ = ["Address", "RedisUrl", "parse_url", "read_url"]

Address = tuple[str, int] | str  # a host and its port, or the path of a unix socket
_PORT, _SENTINELS_PORT = 6379, 26379
_MOST_DIGITS = 6
_MOST_ADDRESSES = 64


@value
class RedisUrl:
    """Where a store is.

    Attributes:
        addresses: the servers, in the URL's order; of a store behind Sentinel those that are asked for the master.
        database: the number of the database.
        service: what Sentinel calls the master; empty if there is no Sentinel.
        cluster: whether the servers are nodes of a cluster.
    """

    addresses: tuple[Address, ...]
    database: int = 0
    service: str = ""
    cluster: bool = False


def read_url(name: str, settings: StoreSettings) -> RedisUrl:
    """Returns what a store's URL says.

    Raises:
        ConfigError: it is not of the form that its scheme asks for; the message names it.
    """
    try:
        return parse_url(settings)
    except ValueError as error:
        raise ConfigError(f"stores.{name}: url: {error}") from error


def parse_url(settings: StoreSettings) -> RedisUrl:
    """Returns what a store's URL says.

    Raises:
        ValueError: it is not of the form that its scheme asks for; the message says which that is.
    """
    parts = _split(settings.url)
    scheme, path = settings.scheme, parts.path.removeprefix("/")
    if parts.fragment or (parts.query and scheme != "unix"):
        raise ValueError("nothing may stand behind '?' or '#'")
    if scheme == "unix":
        return _unix(parts.netloc, parts.path, parts.query)
    if scheme in {"sentinel", "sentinels"}:
        service, _, database = path.partition("/")
        if not service:
            raise ValueError(f"write {scheme}://HOST:PORT,HOST:PORT/SERVICE/DB")
        return RedisUrl(_addresses(parts.netloc, _SENTINELS_PORT), _database(database), unquote(service))
    if scheme in {"cluster", "clusters"}:
        if path not in {"", "0"}:
            raise ValueError("a cluster has no database but 0")
        return RedisUrl(_addresses(parts.netloc, _PORT), cluster=True)
    addresses = _addresses(parts.netloc, _PORT)
    if len(addresses) > 1:
        raise ValueError(f"{scheme}:// has one server; for more there are sentinel:// and cluster://")
    return RedisUrl(addresses, _database(path))


def _unix(netloc: str, path: str, query: str) -> RedisUrl:
    try:
        asked = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        asked = {query: []}
    if netloc or len(path) <= 1 or asked.keys() - {"db"} or any(len(values) > 1 for values in asked.values()):
        raise ValueError("write unix:///PATH or unix:///PATH?db=DB")
    return RedisUrl((unquote(path),), _database(asked.get("db", [""])[0]))


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise ValueError("the database must be a whole number from 0 up")
    return int(text)


def _addresses(netloc: str, port: int) -> tuple[Address, ...]:
    texts: Sequence[str] = netloc.split(",")
    if len(texts) > _MOST_ADDRESSES:
        raise ValueError(f"it has {len(texts)} servers; it may have {_MOST_ADDRESSES}")
    return tuple(_address(text, port) for text in texts)


def _address(text: str, port: int) -> Address:
    parts = _split(f"//{text}")
    if not parts.hostname:
        raise ValueError("a server has no host: write HOST:PORT")
    try:
        given = parts.port
    except ValueError:
        raise ValueError("a server's port must be a whole number from 1 to 65535") from None
    if given == 0:
        raise ValueError("a server has no port 0")
    return parts.hostname, port if given is None else given


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # Python's sentence would quote the URL, in which somebody may have written a password.
        raise ValueError("it is no URL; an IPv6 address stands in brackets") from None
