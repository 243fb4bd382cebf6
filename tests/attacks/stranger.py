"""A caller that follows HTTP/2's flow control and nothing else, from an address of its own."""

import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from raw_http2 import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame

__all__ = ["Closed", "Stranger", "Target", "message_head"]

ADDRESS = "127.0.0.9"  # so that others on this machine are other callers
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_ACK = 1
_WINDOW = 65_535
_FRAME_BYTES = 16_384
_INITIAL_WINDOW_SIZE = 4


class Closed(ConnectionError):
    """The gateway has ended the connection or the stream."""


@dataclass(frozen=True)
class Target:
    """What is attacked.

    Attributes:
        grpc_address, http_address: "host:port" of its ports.
        certificate: its certificate, PEM; None if it serves without TLS.
        request: the bytes of a ScoreRequest that it answers, of many rows.
        until: when the attack ends, on the monotonic clock.
    """

    grpc_address: str
    http_address: str
    certificate: Path | None
    request: bytes
    until: float

    @property
    def left_s(self) -> float:
        """Seconds until the end, at least a hundredth."""
        return max(0.01, self.until - time.monotonic())

    def connect(self, address: str) -> socket.socket:
        """A connection to one of its ports, without TLS."""
        host, _, port = address.rpartition(":")
        return socket.create_connection((host, int(port)), self.left_s, source_address=(ADDRESS, 0))


def message_head(length: int, *, compressed: bool = False) -> bytes:
    """What a gRPC message of so many bytes begins with."""
    return bytes([compressed]) + length.to_bytes(4)


class Stranger:
    """A connection that has said its preface.

    Args:
        target: where to.
        window: the first window of each answer, bytes.
        reads: reads the gateway's settings and acknowledges them; else it never reads.
    """

    def __init__(self, target: Target, *, window: int = _WINDOW, reads: bool = True) -> None:
        self._target = target
        self._socket = target.connect(target.grpc_address)
        if target.certificate is not None:
            context = ssl.create_default_context(cafile=str(target.certificate))
            context.set_alpn_protocols(["h2"])
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._first_window = self._window = _WINDOW
        self._stream_windows: dict[int, int] = {}
        self._ended: set[int] = set()
        self._settled = False
        self.send(_PREFACE, frame(SETTINGS, 0, 0, _INITIAL_WINDOW_SIZE.to_bytes(2) + window.to_bytes(4)))
        while reads and not self._settled:
            self._take()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *frames: bytes) -> None:
        """Sends, and waits while the other side doesn't read, until the attack is over.

        Raises:
            Closed: it is over.
        """
        if time.monotonic() > self._target.until:
            raise Closed
        self._socket.settimeout(self._target.left_s)
        self._socket.sendall(b"".join(frames))

    def call(self, stream: int, block: bytes, parts: Iterable[bytes], *, ends: bool = True) -> None:
        """Sends one call, as fast as its windows let it.

        Raises:
            Closed: the other side wants no more of it.
        """
        self.send(frame(HEADERS, END_HEADERS, stream, block))
        self._stream_windows[stream] = self._first_window
        for part in parts:
            for at in range(0, len(part), _FRAME_BYTES):
                self._send_data(stream, part[at : at + _FRAME_BYTES])
        if ends:
            self.send(frame(DATA, END_STREAM, stream))

    def _send_data(self, stream: int, piece: bytes) -> None:
        while min(self._window, self._stream_windows[stream]) < len(piece):
            self._take()
            if stream in self._ended:
                raise Closed
        self._window -= len(piece)
        self._stream_windows[stream] -= len(piece)
        self.send(frame(DATA, 0, stream, piece))

    def wait(self, stream: int) -> None:
        """Reads until the call has its answer.

        Raises:
            Closed: the connection ends before.
        """
        while stream not in self._ended:
            self._take()

    def _exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            self._socket.settimeout(self._target.left_s)
            part = self._socket.recv(count - len(got))
            if not part:
                raise Closed
            got += part
        return bytes(got)

    def _take(self) -> None:
        head = self._exactly(9)
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
        payload = self._exactly(int.from_bytes(head[:3]))
        if kind == GOAWAY:
            raise Closed
        if kind == SETTINGS and not flags & _ACK:
            self._settle(payload)
        elif kind == PING and not flags & _ACK:
            self.send(frame(PING, _ACK, 0, payload))
        elif kind == WINDOW_UPDATE and not stream:
            self._window += int.from_bytes(payload)
        elif kind == WINDOW_UPDATE:
            self._stream_windows[stream] = self._stream_windows.get(stream, 0) + int.from_bytes(payload)
        elif kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self._ended.add(stream)

    def _settle(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            if int.from_bytes(payload[at : at + 2]) == _INITIAL_WINDOW_SIZE:
                window = int.from_bytes(payload[at + 2 : at + 6])
                grown = window - self._first_window
                self._first_window = window
                self._stream_windows = {stream: left + grown for stream, left in self._stream_windows.items()}
        self.send(frame(SETTINGS, _ACK))
        self._settled = True
