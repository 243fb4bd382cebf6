"""Reads the addresses of callers, as gRPC writes them, and of this machine."""

import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote

__all__ = ["caller_at", "is_loopback", "is_loopback_host", "names_this_machine"]

_NETWORK_BYTES = 8  # the network part of an IPv6 address; the network's owner can choose the rest at will


@lru_cache(maxsize=1024)
def caller_at(peer: str) -> str:
    """Returns how a caller without a name is called: its address without the port, for IPv6 its /64 network.

    All connections from one address count as one caller. Of IPv6 the whole network does, because it has one owner.

    Args:
        peer: the caller's address as gRPC writes it, such as "ipv4:10.0.0.7:5123".
    """
    kind, host = _host_of(peer)
    if kind not in ("ipv4", "ipv6"):
        return peer.rpartition(":")[0] or peer
    if kind == "ipv6":
        try:
            network = IPv6Address(host)
        except ValueError:
            return f"ipv6:{host}"
        if (mapped := network.ipv4_mapped) is not None:
            return f"ipv4:{mapped}"
        return f"ipv6:{IPv6Address(network.packed[:_NETWORK_BYTES] + bytes(_NETWORK_BYTES))}/64"
    return f"ipv4:{host}"


@lru_cache(maxsize=1024)
def is_loopback(peer: str) -> bool:
    """Whether a caller, given by its address as gRPC writes it, is on this machine."""
    kind, host = _host_of(peer)
    return kind == "unix" or (kind in ("ipv4", "ipv6") and _is_loopback_address(host))


def is_loopback_host(host: str) -> bool:
    """Whether a server that listens on this host name or address can be reached from this machine only."""
    return host.lower() == "localhost" or _is_loopback_address(host.strip("[]").partition("%")[0])


def names_this_machine(host: str) -> bool:
    """Whether a header Host is an address, `localhost` or the machine's own name, as people type it, or empty.

    The owner of any other name may let it stand for a loopback address: then the pages of that name reach this machine
    through the browser of whoever looks at them here. A proxy on this machine passes such names on, too.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    own = socket.gethostname().lower()
    if name.lower() in {"", "localhost", own, own.partition(".")[0]}:
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _host_of(peer: str) -> tuple[str, str]:
    kind, _, address = unquote(peer).partition(":")
    return kind, address.rpartition(":")[0].strip("[]").partition("%")[0]


def _is_loopback_address(host: str) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
