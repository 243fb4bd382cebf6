"""Writes the address that a port listens on, and finds out whether and why an address can't be bound."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Any

from bridge.config import ConfigError

__all__ = ["cannot_listen", "require_grpc_port", "require_http_port", "with_port"]

_TAKEN = "is the port taken?"


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
    except UnicodeError:
        return "this can't be the name of a host"
    except OSError as error:
        return _TAKEN if error.errno == errno.EADDRINUSE else str(error.strerror)
    return "no reason was given, and a plain socket can be bound to it now"


def require_grpc_port(host: str, port: int) -> None:
    """Checks that gRPC could listen on an address: one of those that the host's name stands for has to do.

    Nothing listens on the port meanwhile, and it is free again afterwards.

    Raises:
        ConfigError: it could not.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise cannot_listen("gRPC", host, port) from error
    failures = [failure for family, _, _, _, address in found if (failure := _failure(family, address)) is not None]
    if len(failures) == len(found):
        raise cannot_listen("gRPC", host, port) from failures[0]


def _failure(family: int, address: tuple[Any, ...]) -> OSError | None:
    with socket.socket(family, socket.SOCK_STREAM) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does: else a port that was left is taken
        try:
            plain.bind(address)
        except OSError as error:
            return error
    return None


async def require_http_port(host: str, port: int, others: Sequence[int]) -> None:
    """Checks that the HTTP port could listen on an address.

    Nothing listens on the port meanwhile, and it is free again afterwards.

    Args:
        host: the address.
        port: the port.
        others: the gateway's ports that are bound before this one.

    Raises:
        ConfigError: it could not, or one of the others is the same port.
    """
    if port and port in others:
        raise ConfigError(f"HTTP can't listen on {with_port(host, port)}: {_TAKEN}")
    loop = asyncio.get_running_loop()
    try:
        bound = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    except (OSError, UnicodeError) as error:
        raise cannot_listen("HTTP", host, port) from error
    bound.close()
    await bound.wait_closed()
