"""Makes a client's TLS credentials from PEM files, which are checked first."""

import ssl
from dataclasses import dataclass

import grpc

from scorebridge.small_files import read_small

__all__ = ["TlsFiles"]

_MOST_BYTES = 1 << 20  # a system's bundle of authorities has 250 KiB


@dataclass(frozen=True)
class TlsFiles:
    """The PEM files by which a client knows its gateways, and by which they know the client.

    Attributes:
        authorities: the file of the authorities, one of which signed the gateways' certificates; None for those that
            gRPC trusts by itself.
        certificate: the file of the client's certificate chain; None for none.
        key: the file of the certificate's private key, without a password; None for none.

    Raises:
        ValueError: there is a certificate without its key, or a key without its certificate.
    """

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            found, missing = ("certificate", "key") if self.key is None else ("key", "certificate")
            raise ValueError(f"the client's {found} is given without its {missing}: give both, or neither")

    @property
    def any(self) -> bool:
        """Whether there is at least one file, so that connections are to be encrypted."""
        return self.authorities is not None or self.certificate is not None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads and checks the files, and returns the credentials for TLS.

        gRPC itself would accept files without any certificate, and calls would then fail without saying why.

        Raises:
            ValueError: a file is not what it must be; the message names it.
            OSError: a file can't be read.
        """
        authorities = None if self.authorities is None else _read(self.authorities)
        if authorities is not None:
            self._check_authorities(authorities)
        if self.certificate is None or self.key is None:
            return grpc.ssl_channel_credentials(authorities)
        chain, key = _read(self.certificate), _read(self.key)
        self._check_pair(self.certificate, self.key)
        return grpc.ssl_channel_credentials(authorities, key, chain)

    def _check_authorities(self, content: bytes) -> None:
        try:
            # What stands between the certificates is a comment, in any encoding.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"{self.authorities} holds no certificate in PEM") from error

    def _check_pair(self, certificate: str, key: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # gRPC decides how strong a key must be
        try:
            # Without a password function OpenSSL would ask the terminal for the password of an encrypted key.
            context.load_cert_chain(certificate, key, password=lambda: "none")
        except ssl.SSLError as error:
            raise ValueError(
                f"{certificate} and {key} are not a certificate and its key in PEM, without a password"
            ) from error


def _read(path: str) -> bytes:
    return read_small(path, _MOST_BYTES)[0]
