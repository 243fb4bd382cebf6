"""Connections on which no answer comes: refused, swallowed, reset in the middle, or dripping; in front of a gateway."""

import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable

RESET_AFTER_BYTES = 2000  # more than a connection's greetings and health check, less than the cases' message
DRIP_S = 0.05


def refused() -> str:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"


def serve_connections(handle: Callable[[socket.socket], None]) -> str:
    """A TCP server with a thread for each connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"127.0.0.1:{server.getsockname()[1]}"


def swallow(connection: socket.socket) -> None:
    """A black hole: reads, and never says a word."""
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


def resets(gateway: str) -> Callable[[socket.socket], None]:
    """Breaks the connection in the middle of the first message."""

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connect(gateway) as upstream:
            threading.Thread(target=pump, args=(upstream, connection, None), daemon=True).start()
            passed = 0
            while passed < RESET_AFTER_BYTES and (data := connection.recv(512)):
                upstream.sendall(data)
                passed += len(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    return handle


def drips(gateway: str) -> Callable[[socket.socket], None]:
    """Lets the gateway's answers through byte by byte."""

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connect(gateway) as upstream:
            threading.Thread(target=pump, args=(connection, upstream, None), daemon=True).start()
            pump(upstream, connection, DRIP_S)

    return handle


def goes_silent(gateway: str) -> Callable[[socket.socket], None]:
    """Lets a part of the first connection's messages through, and then not a byte either way; later ones are whole."""
    turns = itertools.count()

    def handle(connection: socket.socket) -> None:
        silent = next(turns) == 0
        with contextlib.suppress(OSError), connect(gateway) as upstream:
            threading.Thread(target=pump, args=(upstream, connection, None), daemon=True).start()
            if not silent:
                pump(connection, upstream, None)
            passed = 0
            while passed < RESET_AFTER_BYTES and (data := connection.recv(512)):
                upstream.sendall(data)
                passed += len(data)
            swallow(connection)

    return handle


def connect(gateway: str) -> socket.socket:
    """A connection to it."""
    host, _, port = gateway.rpartition(":")
    return socket.create_connection((host, int(port)))


def pump(source: socket.socket, sink: socket.socket, pause_s: float | None) -> None:
    """Passes bytes on, one by one where there is a pause."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536 if pause_s is None else 1):
            sink.sendall(data)
            if pause_s is not None:
                time.sleep(pause_s)
