"""Makes connections to Redis servers: TLS, the log-in, the database, and the master that Sentinel names."""

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from typing import Any

from bridge.config import ConfigError
from bridge.errors import BridgeError
from bridge.features.stores.connections import CONNECT_S
from bridge.features.stores.password import read_password
from bridge.features.stores.redis_commands import command
from bridge.features.stores.redis_connection import Connection, NoReply, error_word, is_error
from bridge.features.stores.redis_node import failure_of
from bridge.features.stores.redis_url import Address, RedisUrl
from bridge.reads import Reads
from bridge.store_settings import StoreSettings
from bridge.values import value

__all__ = ["Connecting"]

_MOST_GREETING = 1 << 16  # bytes of all replies before a connection is lent
_SENTINEL_S = 1.0
_MOST_HOST = 255


@value
class _Secrets:
    password: bytes | None
    tls: ssl.SSLContext | None


class Connecting:
    """Makes the connections of one store; the password and the files of TLS are read anew for each.

    Args:
        name: the store's name.
        settings: the store's settings.
        url: what its URL says.

    Raises:
        ConfigError: the password or a file of TLS can't be read.
    """

    def __init__(self, name: str, settings: StoreSettings, url: RedisUrl) -> None:
        self._name, self._settings, self._url = name, settings, url
        self._reads = Reads()
        self._sentinels = list(url.addresses)
        self._connected: Address | None = None
        try:
            self._read()
        except NoReply as error:
            raise ConfigError(f"stores.{name}: {error.did}") from error

    async def to(self, address: Address) -> Connection:
        """Returns a connection that is logged in and ready, to a server.

        Raises:
            NoReply: there is none, with the reason.
        """
        return await self._ready(address, await self._secrets())

    async def to_master(self) -> Connection:
        """Returns a connection to the master that Sentinel names now.

        Raises:
            NoReply: no sentinel names one, or it can't be reached, or it is none any more.
        """
        secrets = await self._secrets()
        master = await self._master(secrets)
        connection = await self._ready(master, secrets)
        await _or_closed(connection, _require_master(connection))
        self._connected = master
        return connection

    async def master_changed(self) -> bool:
        """Whether Sentinel names another master than the one that was connected last.

        Raises:
            NoReply: no sentinel names one.
        """
        before = self._connected
        return await self._master(await self._secrets()) != before and self._connected == before

    async def _ready(self, address: Address, secrets: _Secrets) -> Connection:
        connection = await self._open(address, secrets.tls)
        await _or_closed(connection, self._greet(connection, secrets))
        return connection

    async def _greet(self, connection: Connection, secrets: _Secrets) -> None:
        commands = [_login(self._settings.username, secrets.password)]
        commands += [command(b"SELECT", b"%d" % self._url.database)] if self._url.database else []
        commands = [one for one in [*commands, command(b"PING")] if one]
        replies = await connection.exchange(b"".join(commands), len(commands), _MOST_GREETING)
        if any(is_error(reply) and "max number of clients" in str(reply) for reply in replies):
            raise NoReply("takes no more connections: its maxclients is reached")
        if (failure := failure_of(replies)) is not None:
            raise NoReply(failure.did)  # nobody gets in, whichever error it is

    async def _open(self, address: Address, tls: ssl.SSLContext | None) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            if isinstance(address, str):
                return (await loop.create_unix_connection(Connection, address))[1]
            host, port = address
            return (await loop.create_connection(Connection, host, port, ssl=tls))[1]
        except TimeoutError as error:  # of the kernel; asyncio's own ends the task
            raise NoReply("can't be reached in time") from error
        except ConnectionRefusedError as error:
            raise NoReply("refuses connections") from error
        except ssl.SSLCertVerificationError as error:
            raise NoReply(f"shows a certificate that is not trusted: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise NoReply(f"does not agree on TLS ({error.reason})") from error
        except socket.gaierror as error:
            raise NoReply("has a host that has no address") from error
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise NoReply(f"can't be reached ({said})") from error

    async def _master(self, secrets: _Secrets) -> Address:
        """Asks one sentinel after the other, first the one that answered last."""
        for address in list(self._sentinels):
            try:
                async with asyncio.timeout(_SENTINEL_S):
                    found = await self._ask_sentinel(address, secrets)
            except (NoReply, TimeoutError):
                continue
            if found is not None:
                self._sentinels.remove(address)
                self._sentinels.insert(0, address)
                return found
        raise NoReply("has no sentinel that names its master")

    async def _ask_sentinel(self, address: Address, secrets: _Secrets) -> Address | None:
        connection = await self._open(address, secrets.tls)
        try:
            question = command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._url.service.encode())
            (found,) = await connection.exchange(question, 1, _MOST_GREETING)
            if is_error(found) and error_word(found) == "NOAUTH" and secrets.password is not None:
                login = _login(self._settings.username, secrets.password)
                _, found = await connection.exchange(login + question, 2, _MOST_GREETING)
            return _found_address(found)
        finally:
            connection.close()

    async def _secrets(self) -> _Secrets:
        if self._settings.password_file is None and not self._settings.encrypted:
            return _Secrets(None, None)
        try:
            return await self._reads.run(f"the files of store '{self._name}'", CONNECT_S, self._read)
        except BridgeError as error:
            raise NoReply("can't be asked: its password or files of TLS could not be read in time") from error

    def _read(self) -> _Secrets:
        password, settings = None, self._settings
        if settings.password_file is not None:
            try:
                password = read_password(settings.password_file)
            except BridgeError as error:
                raise NoReply(f"can't be asked: {error}") from error
            except OSError as error:
                raise NoReply(f"can't be asked: password_file can't be read ({error.strerror})") from error
        if not settings.encrypted:
            return _Secrets(password, None)
        try:
            tls = ssl.create_default_context(cafile=settings.tls_ca)
            if settings.tls_certificate is not None:
                tls.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise NoReply(f"can't be asked: tls_ca, tls_certificate or tls_key can't be read ({said})") from error
        return _Secrets(password, tls)


async def _or_closed(connection: Connection, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except BaseException:
        connection.close()
        raise


async def _require_master(connection: Connection) -> None:
    (role,) = await connection.exchange(command(b"ROLE"), 1, _MOST_GREETING)
    if not isinstance(role, list) or role[:1] != [b"master"]:
        raise NoReply("has a master by Sentinel that is none")


def _login(username: str | None, password: bytes | None) -> bytes:
    if username is None:
        return b"" if password is None else command(b"AUTH", password)
    return command(b"AUTH", username.encode(), password or b"")


def _found_address(found: Any) -> Address | None:
    match found:
        case [bytes(host), bytes(port)] if len(host) <= _MOST_HOST and port.isdigit() and len(port) <= len("65535"):
            return host.decode("ascii", "replace"), int(port)
    return None
