"""HTTP/2 frames made by hand (RFC 9113), for callers that no gRPC library would be."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from hpack_text import read_block, text

__all__ = [
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "GOAWAY",
    "HEADERS",
    "PING",
    "RST_STREAM",
    "SETTINGS",
    "WINDOW_UPDATE",
    "Frame",
    "RawCaller",
    "dial",
    "frame",
    "header_block",
    "message",
    "request",
    "reset",
    "resets",
    "send_at_once",
]

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
_ACK = 1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEADER_BYTES = 9
_CANCEL = 8


@dataclass(frozen=True)
class Frame:
    """One that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of RST_STREAM or GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[at : at + 4])


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One to send."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def reset(stream: int) -> bytes:
    """RST_STREAM with CANCEL."""
    return frame(RST_STREAM, 0, stream, _CANCEL.to_bytes(4))


def resets(count: int, block: bytes) -> bytes:
    """So many calls, each ended as soon as it has begun."""
    streams = range(1, 2 * count, 2)
    return b"".join(frame(HEADERS, END_HEADERS, stream, block) + reset(stream) for stream in streams)


def message(content: bytes) -> bytes:
    """A gRPC message, not compressed."""
    return b"\0" + len(content).to_bytes(4) + content


def header_block(path: str, **other: str) -> bytes:
    """The headers of a gRPC request; `content_type="…"` puts another value or another header, "" leaves one out."""
    headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "here"}
    headers |= {"content-type": "application/grpc", "te": "trailers"}
    headers |= {{"method": ":method"}.get(name, name.replace("_", "-")): value for name, value in other.items()}
    # Literals that are not indexed, RFC 7541 section 6.2.2.
    return b"".join(b"\0" + text(name) + text(value) for name, value in headers.items() if value != "-")


def request(stream: int, block: bytes, *contents: bytes) -> bytes:
    """A whole call with so many messages."""
    data = b"".join(message(content) for content in contents)
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, data)


class RawCaller:
    """A connection that sends what it is told to, and answers SETTINGS and PING as it must.

    Attributes:
        settings: what the other side's SETTINGS said, by identifier.
        ended: the GOAWAY's code, once there was one.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.settings: dict[int, int] = {}
        self.ended: int | None = None

    async def send(self, *frames: bytes) -> None:
        """Sends, and waits while the other side doesn't read."""
        self._writer.write(b"".join(frames))
        await self._writer.drain()

    async def agree(self) -> None:
        """Acknowledges the other side's settings, from when on they hold."""
        while not self.settings:
            await self._take()

    async def receive(self) -> Frame | None:
        """The next frame of any stream; None once the other side has closed the connection."""
        while (got := await self._take()) is not None:
            if got.stream:
                return got
        return None

    async def _take(self) -> Frame | None:
        try:
            head = await self._reader.readexactly(_FRAME_HEADER_BYTES)
            payload = await self._reader.readexactly(int.from_bytes(head[:3]))
            got = Frame(head[3], head[4], int.from_bytes(head[5:]), payload)
            if got.kind == SETTINGS and not got.flags & _ACK:
                self.settings |= dict(_pairs(payload))
                await self.send(frame(SETTINGS, _ACK))
            elif got.kind == PING and not got.flags & _ACK:
                await self.send(frame(PING, _ACK, 0, payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        if got.kind == GOAWAY:
            self.ended = got.code
        return got

    async def closed(self) -> None:
        """Waits until the other side has closed the connection."""
        while await self.receive() is not None:
            pass

    async def answer(self, stream: int = 1) -> tuple[dict[str, str], bytes]:
        """The headers and trailers of a connection's first answer, and its bytes; `{"reset": code}` for a reset."""
        headers: dict[str, str] = {}
        data = b""
        while (got := await self.receive()) is not None:
            if got.stream != stream:
                continue
            if got.kind == RST_STREAM:
                return headers | {"reset": str(got.code)}, data
            if got.kind == HEADERS:
                headers |= read_block(got.payload)
            elif got.kind == DATA:
                data += got.payload
            if got.flags & END_STREAM and got.kind in (DATA, HEADERS):
                break
        return headers, data

    async def close(self) -> None:
        """Hangs up."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def _pairs(payload: bytes) -> Iterator[tuple[int, int]]:
    for at in range(0, len(payload), 6):
        yield int.from_bytes(payload[at : at + 2]), int.from_bytes(payload[at + 2 : at + 6])


async def dial(address: str) -> RawCaller:
    """A connection that has said its preface, and no more: the other side's settings do not hold yet."""
    host, _, port = address.rpartition(":")
    caller = RawCaller(*await asyncio.open_connection(host, int(port)))
    try:
        await caller.send(_PREFACE, frame(SETTINGS))
    except ConnectionError:
        await caller.close()
        raise
    return caller


def send_at_once(address: str, *frames: bytes) -> None:
    """Sends all of it as fast as it is taken, on a connection of its own; for a thread, and blocks."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as stranger, suppress(ConnectionError):
        stranger.sendall(_PREFACE + frame(SETTINGS))
        stranger.recv(1 << 16)  # the other side's settings: until they are acknowledged, few calls are taken
        stranger.sendall(b"".join((frame(SETTINGS, _ACK), *frames)))
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(1 << 16):
            pass
