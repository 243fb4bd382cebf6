"""Certificates as operators make them: an authority of one's own, with openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority", "Pair"]

_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]  # RSA keys take long to make


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority.

    Attributes:
        certificate: its own certificate, a PEM file.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        subject = ["-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE"]
        paths = ["-keyout", str(self._key), "-out", str(self.certificate)]
        _openssl("req", "-x509", *_EC, "-days", "2", *subject, *paths)

    def issue(self, common_name: str, *alternative: str, days: int = 1) -> Pair:
        """Makes a certificate.

        Args:
            common_name: its subject's common name.
            alternative: its subject alternative names, such as "DNS:localhost".
            days: how long it is valid; it has expired if negative.
        """
        stem = f"{self._name}-{common_name.replace('/', '_')}-{len(list(self._folder.iterdir()))}"
        pair = Pair(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        names = ["-addext", f"subjectAltName={','.join(alternative)}"] if alternative else []
        asked = self._folder / f"{stem}.csr"
        _openssl("req", *_EC, "-subj", f"/CN={common_name}", *names, "-keyout", str(pair.key), "-out", str(asked))
        signing = ["-CA", str(self.certificate), "-CAkey", str(self._key), "-copy_extensions", "copyall"]
        _openssl("x509", "-req", "-in", str(asked), *signing, "-days", str(days), "-out", str(pair.certificate))
        return pair


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
