"""Who is at the other end of an HTTP connection: its address and the names in its certificate, as gRPC gives them."""

import asyncio
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from bridge.layers.shares import caller_of

__all__ = ["Peer", "peer_of"]

# The kinds of alternative names that gRPC takes for names, as Python calls them.
_NAMED_BY = ("DNS", "URI", "email", "IP Address")


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Attributes:
        address: its address and port, such as "ipv4:10.0.0.1:567".
        names: the names in the certificate that it has shown; empty without one.
        encrypted: whether the connection has TLS.
    """

    address: str = ""
    names: tuple[str, ...] = ()
    encrypted: bool = False

    @property
    def caller(self) -> str:
        """Who is counted for what comes over the connection: the names in its certificate, or its address."""
        return "certificate:" + ",".join(sorted(self.names)) if self.names else caller_of(self.address)


def peer_of(transport: asyncio.Transport) -> Peer:
    """Returns who is at the other end of a connection whose handshake is over."""
    found = transport.get_extra_info("peername")
    host, port = (str(found[0]), found[1]) if found else ("", 0)
    address = f"ipv6:{quote(f'[{host}]')}:{port}" if ":" in host else f"ipv4:{host}:{port}"
    secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    names = () if secured is None else _names(secured.getpeercert() or {})
    return Peer(address, names, secured is not None)


def _names(certificate: dict[str, Any]) -> tuple[str, ...]:
    """Returns the alternative names in a certificate, or its common name where it has none."""
    others = tuple(
        str(ip_address(name.strip())) if kind == "IP Address" else name
        for kind, name in certificate.get("subjectAltName", ())
        if kind in _NAMED_BY
    )
    if others:
        return others
    return tuple(name for part in certificate.get("subject", ()) for kind, name in part if kind == "commonName")[:1]
