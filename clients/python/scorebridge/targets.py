"""Checks a target, which says where the gateways are, and finds the addresses that its host names have now."""

import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

__all__ = ["Target", "parse_target"]

# The schemes of grpc-core's name resolution (its doc/naming.md). Any other scheme before "://" is a mistake.
_SCHEMES = ("dns", "unix", "unix-abstract", "vsock", "ipv4", "ipv6", "xds", "google-c2p")
_WITH_PORTS = ("dns", "ipv4", "ipv6")
_ON_THIS_MACHINE = ("unix", "unix-abstract")
_MOST_PORT = 65_535
_EXAMPLE = "pass 'host:8081', or several of them between commas"


@dataclass(frozen=True)
class Target:
    """A checked target, which says where the gateways are.

    Attributes:
        text: the target as text; gRPC gets it as it is, unless there are `places`.
        authority: the server name that gRPC sends to the gateway; None leaves the choice to gRPC.
        places: the host and port of each gateway in a list of several, whose addresses the client finds itself; empty
            for any other target.
        local: whether what is sent there stays on this machine: every host is "localhost" or a loopback address, or
            the target is a Unix socket.
    """

    text: str
    authority: str | None = None
    places: tuple[tuple[str, int], ...] = ()
    local: bool = False

    @property
    def moves(self) -> bool:
        """Whether the client itself looks up host names of the target, whose addresses may change."""
        return any(not _is_number(host) for host, _ in self.places)

    def found(self) -> str:
        """Returns the target to give gRPC: the addresses that the hosts have now, IPv4 if there is one. Blocks.

        Raises:
            OSError: none of the hosts has a known address; the message names the last one that failed.
        """
        if not self.places:
            return self.text
        found: dict[int, list[str]] = {socket.AF_INET: [], socket.AF_INET6: []}
        failure: OSError | None = None
        for host, port in self.places:
            try:
                known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:  # a label of a name that is too long is a UnicodeError
                failure = OSError(f"the host '{host}' has no known address: {error}")
                continue
            for family, _, _, _, where in known:
                if family in found:
                    number = f"[{where[0]!s}]" if family == socket.AF_INET6 else str(where[0])
                    found[family].append(f"{number}:{port}")
        for family, scheme in ((socket.AF_INET, "ipv4"), (socket.AF_INET6, "ipv6")):
            if found[family]:
                # Sorted, because name servers give them in a different order each time.
                return f"{scheme}:{','.join(sorted(set(found[family])))}"
        raise failure or OSError(f"no host of the target '{self.text}' has an IPv4 or IPv6 address")


def parse_target(target: object) -> Target:
    """Returns the checked target for the text that a caller gave.

    Args:
        target: "host:port" of a gateway, several of them between commas, or any target that gRPC knows, such as
            "dns:///host:port" or "unix:/path".

    Raises:
        TypeError: the target is not text.
        ValueError: the target has no port, a blank, or an unknown scheme; the message says which part is wrong.
    """
    if not isinstance(target, str):
        raise TypeError(f"target is a {type(target).__name__}: {_EXAMPLE}")
    text = target.strip()
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in _SCHEMES:
        local = scheme.lower() in _ON_THIS_MACHINE
        if scheme.lower() in _WITH_PORTS:
            before, _, entries = rest.rpartition("/")
            hosts = [_place(entry.strip(), text)[0] for entry in entries.split(",")]
            # A name server of the target's own ("dns://server/host:port") may know "localhost" as any machine.
            local = before in ("", "//") and all(map(_is_loopback, hosts))
        return Target(text, local=local)
    if "://" in text:
        raise ValueError(
            f"target '{text}' has the scheme '{scheme}', which gRPC does not know: {_EXAMPLE}; credentials= is for TLS"
        )
    places = tuple(_place(entry.strip(), text) for entry in text.split(","))
    local = all(_is_loopback(host) for host, _ in places)
    if len(places) == 1:
        return Target(text, local=local)
    # grpc-core would send the whole list as the server's name, which servers refuse.
    return Target(text, text.split(",", maxsplit=1)[0].strip(), places, local)


def _place(entry: str, text: str) -> tuple[str, int]:
    which = f"target '{text}'" if entry == text else f"'{entry}' in the target '{text}'"
    if not entry:
        raise ValueError(f"target '{text}' is blank, or has a blank between commas: {_EXAMPLE}")
    host, colon, port = entry.rpartition(":")
    if not colon or entry.endswith("]"):
        raise ValueError(f"{which} has no port: {_EXAMPLE}")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _MOST_PORT and len(port) < 6):  # noqa: PLR2004
        raise ValueError(f"{which} has the port '{port}', which is not a number from 1 to {_MOST_PORT}")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else None
    if bare is not None:
        if not _is_number(bare.partition("%")[0]):
            raise ValueError(f"{which} has brackets around something that is not an IPv6 address")
        return bare, int(port)
    if ":" in host:
        raise ValueError(f"{which} has more than one colon: write an IPv6 address in brackets, '[::1]:8081'")
    if not host or any(mark.isspace() or mark in "/@?#[]" for mark in host):
        raise ValueError(f"{which} has no valid host name: {_EXAMPLE}")
    return host, int(port)


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or number alone; nothing is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
