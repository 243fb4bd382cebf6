"""Turns the settings of a store into a client of Redis that blocks, for publishers and the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from bridge.errors import BridgeError
from bridge.features.publishing.publishing_errors import StoreRefused
from bridge.features.stores.password import read_password
from bridge.features.stores.redis_url import parse_url
from bridge.lookup_errors import StoreUnavailable
from bridge.store_settings import StoreSettings

__all__ = ["Client", "connect", "node_of", "now_ms", "store_errors"]

Client = Any  # redis-py's types differ between a server and a cluster

_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_RETRIES, _RETRY_BASE_S, _RETRY_CAP_S = 3, 0.1, 1.0
# The texts of these errors hold no key and no value; those of others may.
_PLAIN_CODES = ("BUSY", "CROSSSLOT", "MISCONF", "NOREPLICAS", "WRONGTYPE")
_PLAIN = (
    redis.exceptions.ClusterDownError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.OutOfMemoryError,
    redis.ReadOnlyError,
)


class _PrimaryPool(SentinelConnectionPool):
    """The connections to the server that a Sentinel names, and to the Sentinels, which redis-py would keep open."""

    def disconnect(self, *arguments: Any, **options: Any) -> None:
        """Ends the connections; called by `close` of the client."""
        super().disconnect(*arguments, **options)
        for sentinel in self.sentinel_manager.sentinels:
            sentinel.close()


def connect(settings: StoreSettings) -> Client:
    """Returns a client of the store, which connects at its first command; `close` ends it.

    Args:
        settings: where the store is; `timeout_s` is of lookups and not used here.

    Raises:
        StoreRefused: the URL has a part that can't be read, or is of a store that can't be written to.
        StoreUnavailable: of a cluster, none of its nodes answers.
        OSError: the file with the password can't be read.
    """
    if settings.scheme == "memory":
        raise StoreRefused("a memory: store is a file: write the file anew, and gateways read it")
    try:
        url = parse_url(settings)
    except ValueError as error:
        raise StoreRefused(f"the url can't be read: {error}") from error
    options = _options(settings)
    if url.service:
        watching = _untyped(Sentinel)(list(url.addresses), sentinel_kwargs=_of_sentinels(options), **options)
        return watching.master_for(url.service, db=url.database, connection_pool_class=_PrimaryPool)
    if url.cluster:
        with store_errors():
            nodes = [_untyped(ClusterNode)(*address) for address in url.addresses]
            return RedisCluster(startup_nodes=nodes, **options)
    (address,) = url.addresses
    if isinstance(address, str):
        return redis.Redis(unix_socket_path=address, db=url.database, **options)
    return redis.Redis(*address, db=url.database, **options)


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


def _of_sentinels(options: dict[str, Any]) -> dict[str, Any]:
    # Sentinels have users of their own, and mostly none.
    return {name: value for name, value in options.items() if name != "credential_provider"}


class _PasswordFile(redis.CredentialProvider):
    """Gives each new connection the password that the file then holds."""

    def __init__(self, username: str | None, path: Path) -> None:
        self._username, self._path = username, path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = read_password(self._path).decode()
        except (BridgeError, UnicodeDecodeError) as error:
            why = error if isinstance(error, BridgeError) else "it is not UTF-8"
            raise StoreRefused(f"{self._path} must hold a password: {why}") from error
        return (password,) if self._username is None else (self._username, password)


def _untyped(kind: Any) -> Any:
    return kind  # redis-py states no types for it


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
