"""Turns the settings of a store into a client of Redis that blocks, for publishers and the command line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel

from bridge.features.publishing.publishing_errors import StoreRefused
from bridge.lookup_errors import StoreUnavailable
from bridge.store_settings import StoreSettings

__all__ = ["Client", "connect", "node_of", "now_ms", "store_errors"]

Client = Any  # redis-py's types differ between a server and a cluster

_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_RETRIES, _RETRY_BASE_S, _RETRY_CAP_S = 3, 0.1, 1.0
_USUAL_PORT = 6379
_USUAL_SENTINEL_PORT = 26379
_MOST_PORT = 65535
_MOST_PASSWORD_BYTES = 4096
_ENDPOINT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+)(?::([0-9]{1,5}))?")
# The texts of these errors hold no key and no value; those of others may.
_PLAIN_CODES = ("BUSY", "CROSSSLOT", "MISCONF", "NOREPLICAS", "WRONGTYPE")
_PLAIN = (
    redis.exceptions.ClusterDownError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.OutOfMemoryError,
    redis.ReadOnlyError,
)


def connect(settings: StoreSettings) -> Client:
    """Returns a client of the store, which connects at its first command; `close` ends it.

    Args:
        settings: where the store is; `timeout_s` is of lookups and not used here.

    Raises:
        StoreRefused: the URL has a part that can't be read, or is of a store that can't be written to.
        StoreUnavailable: of a cluster, none of its nodes answers.
        OSError: the file with the password can't be read.
    """
    scheme, rest = settings.scheme, settings.url.partition("://")[2]
    if scheme == "memory":
        raise StoreRefused("a memory: store is a file: write the file anew, and gateways read it")
    options = _options(settings)
    if scheme == "unix":
        path, _, query = rest.partition("?")
        database = _database(parse_qs(query).get("db", ["0"])[0])
        return redis.Redis(unix_socket_path=unquote(path), db=database, **_without_tls(options))
    hosts, _, behind = rest.partition("/")
    if scheme.startswith("sentinel"):
        return _watched(hosts, behind, options)
    endpoints = _endpoints(hosts, _USUAL_PORT)
    if scheme.startswith("cluster"):
        with store_errors():
            return RedisCluster(
                startup_nodes=[_untyped(ClusterNode)(host, port) for host, port in endpoints], **options
            )
    if len(endpoints) > 1:
        raise StoreRefused("the url names several hosts: write cluster:// or sentinel:// before them")
    ((host, port),) = endpoints
    return redis.Redis(host, port, db=_database(behind), **options)


def node_of(client: Client, key: bytes) -> dict[str, Any]:
    """Returns the argument by which a command without keys goes to the node of a cluster that has this key."""
    if not hasattr(client, "get_node_from_key"):
        return {}
    return {"target_nodes": client.get_node_from_key(key.decode())}


def now_ms(client: Client, key: bytes) -> int:
    """Returns the time by the clock of the server that has this key, in milliseconds since 1970.

    Raises:
        StoreUnavailable, StoreRefused: the store does not answer, or refuses the command.
    """
    with store_errors():
        seconds, microseconds = client.eval("return redis.call('TIME')", 1, key)
    return int(seconds) * 1000 + int(microseconds) // 1000


def _watched(hosts: str, behind: str, options: dict[str, Any]) -> Client:
    service, _, number = behind.partition("/")
    if not service:
        raise StoreRefused("the url names no service: write sentinel://HOST:PORT,HOST:PORT/SERVICE/DB")
    endpoints, asked = _endpoints(hosts, _USUAL_SENTINEL_PORT), _of_sentinels(options)
    return _untyped(Sentinel)(endpoints, sentinel_kwargs=asked, **options).master_for(service, db=_database(number))


def _options(settings: StoreSettings) -> dict[str, Any]:
    options: dict[str, Any] = {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _CONNECT_TIMEOUT_S}
    options["retry"] = Retry(ExponentialBackoff(cap=_RETRY_CAP_S, base=_RETRY_BASE_S), _RETRIES)
    if settings.encrypted:
        options |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
        for name, path in (
            ("ssl_ca_certs", settings.tls_ca),
            ("ssl_certfile", settings.tls_certificate),
            ("ssl_keyfile", settings.tls_key),
        ):
            if path is not None:
                options[name] = str(path)
    if settings.password_file is not None:
        options["credential_provider"] = provider = _PasswordFile(settings.username, settings.password_file)
        provider.get_credentials()  # a file that is not there is named before any connection is tried
    elif settings.username is not None:
        raise StoreRefused("username without password_file: Redis knows users by their passwords")
    return options


def _without_tls(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if not name.startswith("ssl")}


def _of_sentinels(options: dict[str, Any]) -> dict[str, Any]:
    # Sentinels have users of their own, and mostly none.
    return {name: value for name, value in options.items() if name != "credential_provider"}


class _PasswordFile(redis.CredentialProvider):
    """Gives each new connection the password that the file then holds."""

    def __init__(self, username: str | None, path: Path) -> None:
        self._username, self._path = username, path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        with self._path.open("rb") as file:
            raw = file.read(_MOST_PASSWORD_BYTES + 1)
        password = raw.decode(errors="replace").rstrip("\r\n")
        if len(raw) > _MOST_PASSWORD_BYTES or not password or "�" in password:
            raise StoreRefused(f"{self._path} must hold a password of 1 to {_MOST_PASSWORD_BYTES} bytes of UTF-8")
        return (password,) if self._username is None else (self._username, password)


def _endpoints(text: str, usual_port: int) -> list[tuple[str, int]]:
    found = []
    for one in text.split(","):
        match = _ENDPOINT.fullmatch(one)
        port = int(match[2] or usual_port) if match else 0
        if match is None or not 0 < port <= _MOST_PORT:
            raise StoreRefused("the url has a host that can't be read: write HOST:PORT, several between commas")
        found.append((match[1].strip("[]"), port))
    return found


def _untyped(kind: Any) -> Any:
    return kind  # redis-py states no types for it


def _database(text: str) -> int:
    if text and not re.fullmatch(r"[0-9]{1,6}", text):
        raise StoreRefused("the url ends in something that is not the number of a database: write /0")
    return int(text or 0)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turns the failures of redis-py into errors of the bridge, whose messages hold no key and no password.

    Raises:
        StoreUnavailable: the store can't be reached, or did not answer in time.
        StoreRefused: it answered, and refused the command.
    """
    try:
        yield
    except redis.AuthenticationError as error:
        raise StoreRefused(
            "the store does not know this user with this password: see username and password_file"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError, RedisClusterException) as error:
        what = "did not answer in time" if isinstance(error, redis.TimeoutError) else "can't be reached"
        raise StoreUnavailable(f"the store {what} ({type(error).__name__})") from error
    except redis.RedisError as error:
        code = str(error).partition(" ")[0]
        said = str(error) if code in _PLAIN_CODES or isinstance(error, _PLAIN) else type(error).__name__
        raise StoreRefused(f"the store refused a command: {said}") from error
