"""Another user than root, and what belongs to root alone."""

import subprocess
from pathlib import Path

__all__ = ["USER", "make_key", "make_open"]

_SESSION = "sb-"  # as conftest.py names it
USER = "nobody"  # every machine has one
EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]  # RSA keys take long to make


def make_open(folder: Path) -> None:
    """Lets everybody enter a temporary folder of the tests and all above it, which pytest and conftest.py close.

    The outermost is the session's; where several processes run the tests, each has a session within the first one's.
    """
    path = [folder, *folder.parents]
    outermost = max(place for place, one in enumerate(path) if one.name.startswith(_SESSION))
    for one in path[: outermost + 1]:
        one.chmod(one.stat().st_mode | 0o111)


def make_key(folder: Path) -> dict[str, Path]:
    """A certificate for localhost and its key, which openssl gives to its owner alone; as settings."""
    paths = {"tls_key": folder / "key.pem", "tls_certificate": folder / "certificate.pem"}
    command = ["openssl", "req", "-x509", *EC, "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(paths["tls_key"])]
    subprocess.run([*command, "-out", str(paths["tls_certificate"])], check=True, capture_output=True)
    return paths
