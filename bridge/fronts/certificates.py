"""The TLS files: reads and checks them, and takes over changed files only when they are complete and correct."""

import asyncio
import os
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from bridge.config import ConfigError, GatewaySettings
from bridge.events import CERTIFICATES_CHANGED, CERTIFICATES_INVALID
from bridge.own_log import OwnLog

__all__ = ["Certificates"]

_log = OwnLog(__name__)

_WEAK = ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK")
_MOST_BYTES = 1 << 20  # of a file; a certificate chain has a few KiB, a system's bundle of authorities 250 KiB


@dataclass(frozen=True)
class _Pem:
    """The contents of all TLS files as read at one time, and the context that the HTTP port serves with."""

    chain: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext = field(compare=False)

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.client_ca)


class Certificates:
    """A gateway's certificate and key, and the authorities that its clients' certificates must come from.

    Existing connections keep the certificate that they began with. A new connection gets the last set of files that
    was correct. A file that is incomplete, wrong or missing, or a key that belongs to another certificate, changes
    nothing and is logged once.

    Args:
        chain: the PEM file of the certificate chain.
        key: the PEM file of the certificate's private key.
        client_ca: the PEM file of the authorities; None asks clients for no certificate.

    Attributes:
        fault: what is wrong with the files as they are now, in a sentence; empty if they are served.

    Raises:
        ConfigError: a file can't be read, or is no PEM file of its kind.
    """

    def __init__(self, chain: Path, key: Path, client_ca: Path | None) -> None:
        self._chain, self._key, self._client_ca = chain, key, client_ca
        self._served = self._read()
        self._given = self._served
        self.fault = ""

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Certificates | None":
        """Returns the certificates that the settings name; None where the settings have no TLS."""
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        return cls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)

    def credentials(self) -> grpc.ServerCredentials:
        """Returns credentials for a gRPC server; for each connection they ask whether there are newer certificates."""
        newer: Any = self._newer  # the type stubs don't know that it may return None for "nothing newer"
        return grpc.dynamic_ssl_server_credentials(
            self._served.configuration(), newer, require_client_authentication=self._client_ca is not None
        )

    def context(self) -> ssl.SSLContext:
        """Returns the context for a new connection of the HTTP port."""
        return self._served.context

    async def watch(self, interval_s: float) -> None:
        """Checks the files every `interval_s` seconds until it is cancelled.

        The reading is done in a thread, so that a file system that hangs holds up nothing else.
        """
        while True:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Reads the files again, and takes them over if they have changed and are correct."""
        try:
            found = self._read()
        except ConfigError as error:
            self._say(str(error))
            return
        self._say("")
        if found != self._served:
            self._served = found
            _log.say(CERTIFICATES_CHANGED, path=self._chain)

    def _say(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.say(CERTIFICATES_INVALID, error=fault)
        self.fault = fault

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Returns the newer configuration, None if there is none; gRPC calls it in a thread of its own."""
        served = self._served
        if served is self._given:
            return None
        self._given = served
        return served.configuration()

    def _read(self) -> _Pem:
        try:
            chain, key = _read(self._chain), _read(self._key)
            client_ca = None if self._client_ca is None else _read(self._client_ca)
            return _Pem(chain, key, client_ca, self._checked(chain, key, client_ca))
        except OSError as error:
            raise ConfigError(f"TLS: {error}") from error

    def _checked(self, chain: bytes, key: bytes, client_ca: bytes | None) -> ssl.SSLContext:
        """Returns the context that serves with these files.

        gRPC itself would only say that it could not bind, or would silently accept a file without any authority.

        Raises:
            ConfigError: the files are wrong.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        try:
            with _as_file(chain) as chain_path, _as_file(key) as key_path:
                # Without a password function OpenSSL would ask the terminal for the password of an encrypted key.
                context.load_cert_chain(chain_path, key_path, password=lambda: "none")
        except ssl.SSLError as error:
            if error.reason in _WEAK:
                raise ConfigError(f"TLS: the key or a signature of {self._chain} is too weak for OpenSSL") from error
            raise ConfigError(
                f"TLS: {self._chain} and {self._key} are not a certificate and its unencrypted key in PEM"
            ) from error
        try:
            if client_ca is not None:
                with _as_file(client_ca) as path:
                    context.load_verify_locations(path)
                context.verify_mode = ssl.CERT_REQUIRED
        except ssl.SSLError as error:
            raise ConfigError(f"TLS: {self._client_ca} holds no certificate in PEM") from error
        return context


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else opening a FIFO would wait for a writer
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f"TLS: {path} is not a regular file")
        content = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"TLS: {path} is larger than {_MOST_BYTES} bytes: it can't be a certificate or key")
    return content


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yields the path of a file in memory with this content, because OpenSSL reads keys only from files."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
