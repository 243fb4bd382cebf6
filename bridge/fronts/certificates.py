"""The files of TLS: read, checked, and read anew when they change, while what is served stays what was last whole."""

import asyncio
import logging
import os
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bridge.config import ConfigError, GatewaySettings

__all__ = ["Certificates"]

_log = logging.getLogger(__name__)

_MOST_BYTES = 1 << 20  # of a file; a chain of certificates has some KiB, a system's bundle of authorities 250


@dataclass(frozen=True)
class _Pem:
    """What was read at one time."""

    chain: bytes
    key: bytes
    client_ca: bytes | None

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.client_ca)


class Certificates:
    """A gateway's certificate, its key and its clients' authorities.

    Connections that are there keep what they began with; each new one gets what was last read whole. A file that is
    torn, wrong or gone, or a key that is another certificate's, changes nothing and is said in the log once.

    Args:
        chain: PEM file of the certificate chain.
        key: PEM file of its private key.
        client_ca: PEM file of authorities; None asks clients for no certificate.

    Raises:
        ConfigError: a file is not what it must be.
    """

    def __init__(self, chain: Path, key: Path, client_ca: Path | None) -> None:
        self._chain, self._key, self._client_ca = chain, key, client_ca
        self._served = self._read()
        self._given = self._served
        self.fault = ""

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Certificates | None":
        """Those that the settings name; None without TLS."""
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        return cls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)

    def credentials(self) -> grpc.ServerCredentials:
        """For a server, which asks for newer ones with each connection."""
        newer: Any = self._newer  # the stubs don't know that None leaves it at what it has
        return grpc.dynamic_ssl_server_credentials(
            self._served.configuration(), newer, require_client_authentication=self._client_ca is not None
        )

    async def watch(self, interval_s: float) -> None:
        """Looks at the files again and again, in a thread: a file system that hangs holds up nothing else."""
        while True:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Takes what the files say now, if it is whole and another thing than before."""
        try:
            found = self._read()
        except ConfigError as error:
            self._say(str(error))
            return
        self._say("")
        if found != self._served:
            self._served = found
            _log.info("TLS: new connections get the certificate that %s has now", self._chain)

    def _say(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.error("%s; new connections still get the last certificate that was whole", fault)
        self.fault = fault

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC in a thread of its own."""
        served = self._served
        if served is self._given:
            return None
        self._given = served
        return served.configuration()

    def _read(self) -> _Pem:
        try:
            found = _Pem(
                _read(self._chain), _read(self._key), None if self._client_ca is None else _read(self._client_ca)
            )
            self._check(found)
        except OSError as error:
            raise ConfigError(f"TLS: {error}") from error
        return found

    def _check(self, found: _Pem) -> None:
        """What is wrong, because gRPC only says that it could not bind, or takes no authority for any."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # how strong a key must be is gRPC's to say
        try:
            with _as_file(found.chain) as chain, _as_file(found.key) as key:
                context.load_cert_chain(chain, key, password=lambda: "none")  # else it asks the terminal for one
        except ssl.SSLError as error:
            raise ConfigError(
                f"TLS: {self._chain} and {self._key} are not a certificate and its unencrypted key in PEM"
            ) from error
        try:
            if found.client_ca is not None:
                with _as_file(found.client_ca) as client_ca:
                    context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise ConfigError(f"TLS: {self._client_ca} holds no certificate in PEM") from error


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO would wait for its writer
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f"TLS: {path} is not a regular file")
        content = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"TLS: {path} has over {_MOST_BYTES} bytes, which no certificate has")
    return content


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path under which OpenSSL, which takes keys from files alone, finds exactly what was read."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
