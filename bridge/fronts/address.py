"""Where a port listens: how that is written, and why it can't be had."""

import errno
import socket

from bridge.config import ConfigError

__all__ = ["cannot_listen", "with_port"]


def with_port(host: str, port: int) -> str:
    """HOST:PORT, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(what: str, host: str, port: int) -> ConfigError:
    """The error to raise for a port that could not be bound.

    gRPC does not tell why. A plain socket does, so one tries the same.
    """
    return ConfigError(f"{what} can't listen on {with_port(host, port)}: {_why(host, port)}")


def _why(host: str, port: int) -> str:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as plain:
            plain.bind(address)
    except OSError as error:
        return "is the port taken?" if error.errno == errno.EADDRINUSE else str(error.strerror)
    return "no reason was given"
