"""Writes the address that a port listens on, and finds out why an address can't be bound."""

import errno
import socket

from bridge.config import ConfigError

__all__ = ["cannot_listen", "with_port"]


def with_port(host: str, port: int) -> str:
    """Returns HOST:PORT, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(what: str, host: str, port: int) -> ConfigError:
    """Returns the error to raise for a port that could not be bound.

    gRPC does not say why it could not bind, so a plain socket tries the same address to learn the reason.

    Args:
        what: the server that wanted the port, "gRPC" or "HTTP".
        host: the address of the failed attempt.
        port: the port of the failed attempt.
    """
    return ConfigError(f"{what} can't listen on {with_port(host, port)}: {_why(host, port)}")


def _why(host: str, port: int) -> str:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as plain:
            plain.bind(address)
    except OSError as error:
        return "is the port taken?" if error.errno == errno.EADDRINUSE else str(error.strerror)
    return "no reason was given, and a plain socket can be bound to it now"
