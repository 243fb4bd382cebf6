"""Who is at the other end of an HTTP connection: its address and the names in its certificate, as gRPC gives them."""

import asyncio
import ssl
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from bridge.callers.caller import Credentials

__all__ = ["credentials_of"]

# The kinds of alternative names that gRPC takes for names, as Python calls them.
_NAMED_BY = ("DNS", "URI", "email", "IP Address")


def credentials_of(transport: asyncio.Transport) -> Credentials:
    """Returns what a connection whose handshake is over shows of who is at its other end."""
    found = transport.get_extra_info("peername")
    host, port = (str(found[0]), found[1]) if found else ("", 0)
    peer = f"ipv6:{quote(f'[{host}]', safe=':')}:{port}" if ":" in host else f"ipv4:{host}:{port}"
    secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    names = () if secured is None else _names(secured.getpeercert() or {})
    return Credentials(certificate=names, encrypted=secured is not None, peer=peer)


def _names(certificate: dict[str, Any]) -> tuple[str, ...]:
    """Returns the alternative names in a certificate, and its common name, each once."""
    others = [
        str(ip_address(name.strip())) if kind == "IP Address" else name
        for kind, name in certificate.get("subjectAltName", ())
        if kind in _NAMED_BY
    ]
    common = [name for part in certificate.get("subject", ()) for kind, name in part if kind == "commonName"]
    return tuple(dict.fromkeys(others + common[:1]))
