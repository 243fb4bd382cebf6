"""A road between a client and a gateway that can be closed, go silent, and lead elsewhere."""

import socket
import threading
from contextlib import suppress
from typing import Self

__all__ = ["Road"]

_CHUNK_BYTES = 1 << 16


class Road:
    """A TCP proxy on a port of its own, or on the one that is given.

    Attributes:
        port: its own.
        url: where clients connect.
        connections: that were made so far.
    """

    def __init__(self, gateway: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self._gateway = gateway
        self._server = socket.create_server((host, port))
        self.port: int = self._server.getsockname()[1]
        self.url = f"{host}:{self.port}"
        self.connections = 0
        self._silent = False
        self._open: list[tuple[threading.Event, socket.socket, socket.socket]] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody listens any more, and the connections there are end."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepting.join()  # what it accepted last is closed too
        for _, near, far in self._open:
            for end in (near, far):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def go_silent(self, *, for_new: bool) -> None:
        """Not a byte passes on the connections there are, nor on new ones if so; none of them is closed."""
        self._silent = for_new
        for dead, *_ in self._open:
            dead.set()

    def speak(self) -> None:
        """New connections are served again; the silent ones stay silent."""
        self._silent = False

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self.connections += 1
                host, _, port = self._gateway.rpartition(":")
                far = socket.create_connection((host, int(port)))
                dead = threading.Event()
                if self._silent:
                    dead.set()
                self._open.append((dead, near, far))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(source, sink, dead), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, dead: threading.Event) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            if not dead.is_set():
                sink.sendall(data)
        if not dead.is_set():
            sink.shutdown(socket.SHUT_WR)
