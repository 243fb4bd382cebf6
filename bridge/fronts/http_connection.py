"""One connection of the HTTP port: it gives aiohttp one request after the other, and waits for nothing without end.

aiohttp bounds each line of a request's head, but not all of them together, and reads what comes behind a request while
it is answered. So this protocol stands before aiohttp's: it passes a head on only when it is whole and small enough,
the body only when it is asked for, and the next request only after the answer to this one.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus

from aiohttp import web

from bridge.callers.caller import Credentials
from bridge.counters import FrontRefusal
from bridge.errors import DeadlineExceeded
from bridge.fronts.http_limits import Ends, Limits, Timer
from bridge.fronts.http_peers import credentials_of

__all__ = ["Connection"]

_READ_BYTES = 16 << 10  # at one time: aiohttp takes so many bytes in chunks of one byte each within 5 ms
_DISCARDED_BYTES = 1 << 20  # of what a caller still sends, so that it gets its answer before the connection's end
_LINGER_S = 2.0
_END = b"\r\n\r\n"
_LINE = re.compile(
    rb"[A-Z]+ [!-~\x80-\xff]+ HTTP/1\.[01]\r\n"
)  # aiohttp's parser takes other versions, and more blanks


class _State(Enum):
    HEAD = auto()  # a request's head is waited for
    REQUEST = auto()  # aiohttp has the head
    BODY = auto()  # aiohttp gets the body
    ANSWER = auto()  # no more of the request is taken
    END = auto()  # what comes is thrown away


class Connection(asyncio.BufferedProtocol):
    """One connection, from its beginning to its end.

    Args:
        limits: what it may have.
        converse: makes aiohttp's half.
        context: makes the TLS context; None for plain text.
        ends: how it ends.

    Attributes:
        shown: what it shows of who is at its other end.
        since: when it began, in seconds on the loop's clock.
    """

    def __init__(
        self,
        limits: Limits,
        converse: "Callable[[Connection], web.RequestHandler]",
        context: Callable[[], ssl.SSLContext] | None,
        ends: Ends,
    ) -> None:
        self._limits = limits
        self._converse = converse
        self._context = context
        self._ends = ends
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(_READ_BYTES))  # TLS fills it piece by piece
        self._state = _State.HEAD
        self._idle = False
        self._head = bytearray()
        self._rest = b""  # what came behind the request that is answered now
        self._left: int | None = 0  # bytes of the body that are still to come; None if only its end will tell
        self._passed = self._discarded = 0
        self._timer, self._stall = Timer(self._give_up), Timer(self.abort)
        self._securing: asyncio.Task[None] | None = None
        self._conversation: web.RequestHandler | None = None
        self._transport: asyncio.Transport | None = None
        self.shown = Credentials()
        self.since = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: begins with TLS where there is a context, else with the first request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        self._timer.set(self._limits.handshake_s)
        if self._context is None:
            self._begin(transport)
            return
        transport.pause_reading()  # the first bytes are for TLS
        self._securing = self._loop.create_task(self._secure(transport, self._context()))

    async def _secure(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        limit = self._limits.handshake_s
        secured = None
        try:
            secured = await self._loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=limit, ssl_shutdown_timeout=limit
            )
        except OSError:
            self._ends.refused(FrontRefusal.HANDSHAKE_FAILED)  # the caller's fault, and nothing that it could be told
        finally:
            self._securing = None
            if secured is None:
                transport.abort()
                self.connection_lost(None)
        if secured is not None and self._state is not _State.END:
            self._transport = secured
            self._begin(secured)

    def _begin(self, transport: asyncio.Transport) -> None:
        self.shown = credentials_of(transport)
        self._conversation = self._converse(self)
        self._conversation.connection_made(transport)
        self._go_on()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        """Called by asyncio: returns the place for what comes next."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio: takes what came."""
        self._take(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        """Called by asyncio when the caller sends no more, which ends the connection, and the call on it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio when the connection has ended."""
        self._timer.stop()
        self._stall.stop()
        self._state = _State.END
        if self._conversation is not None:
            self._conversation.connection_lost(exc)
        self._ends.lost(self)

    def pause_writing(self) -> None:
        """Called by asyncio when the caller does not read; the connection ends if that lasts."""
        self._stall.set(self._limits.message_s)
        if self._conversation is not None:
            self._conversation.pause_writing()

    def resume_writing(self) -> None:
        """Called by asyncio when the caller reads again."""
        self._stall.stop()
        if self._conversation is not None:
            self._conversation.resume_writing()

    def take_body(self, length: int | None) -> None:
        """Begins to pass on the body of the request.

        Args:
            length: its bytes; None if only its end will tell.
        """
        self._state, self._left, self._passed = _State.BODY, length, 0
        self._timer.stop()
        self._go_on()

    def take_no_more(self) -> None:
        """Keeps what comes until the request is answered."""
        self._state = _State.ANSWER
        self._timer.stop()
        if not self._rest:
            self._resume()

    def answered(self, *, whole: bool, last: bool) -> None:
        """Goes on with the next request, or ends.

        Args:
            whole: whether all of the request was taken.
            last: whether the answer says that the connection ends.
        """
        if not whole:
            self._end()
        elif not last:
            self._state, self._idle = _State.HEAD, True
            self._timer.set(self._limits.idle_s)
            self._go_on()

    def left(self) -> None:
        """Makes sure of the connection's end, when aiohttp is done with it."""
        if self._state is not _State.END:
            self._timer.set(self._limits.handshake_s)

    def write(self, interim: bytes) -> None:
        """Writes an answer that is not the last one to a request, such as 100 Continue."""
        if self._transport is not None:
            self._transport.write(interim)

    def abort(self) -> None:
        """Ends the connection at once."""
        if self._securing is not None:
            self._securing.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _give_up(self) -> None:
        if self._securing is not None:
            self._ends.refused(FrontRefusal.HANDSHAKE_FAILED)
        elif self._head:
            self._ends.refused(DeadlineExceeded.reason)
        self.abort()

    def _take(self, came: bytes) -> None:
        if self._conversation is None:
            self._rest += came  # came with the end of the handshake, a turn of the loop before it is known to be over
        elif self._state is _State.HEAD:
            self._take_head(came)
        elif self._state is _State.BODY:
            self._pass_on(came)
        elif self._state is _State.END:
            self._discarded += len(came)
            if self._discarded > _DISCARDED_BYTES:
                self.abort()
        else:
            self._rest += came
            self._pause()

    def _take_head(self, came: bytes) -> None:
        if self._idle:
            self._idle = False
            self._timer.set(self._limits.handshake_s)
        searched = max(0, len(self._head) - len(_END) + 1)
        self._head += came
        at = self._head.find(_END, searched)
        end = len(self._head) if at < 0 else at + len(_END)
        if end > self._limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif at >= 0 and _LINE.match(self._head) is None:
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif at >= 0:
            head, self._rest = bytes(self._head[:end]), bytes(self._head[end:])
            self._head.clear()
            self._state = _State.REQUEST
            self._pause()
            if self._conversation is not None:
                self._conversation.data_received(head)

    def _pass_on(self, came: bytes) -> None:
        """Gives aiohttp a part of the body, and keeps what is behind it."""
        passed = came if self._left is None else came[: self._left]
        self._passed += len(passed)
        if self._left is not None:
            self._left -= len(passed)
            if not self._left:
                self._state, self._rest = _State.ANSWER, came[len(passed) :]
        if self._passed > self._limits.body_bytes:
            self.abort()
        elif self._conversation is not None and passed:
            self._conversation.data_received(passed)
        if self._rest:
            self._pause()

    def _go_on(self) -> None:
        """Takes what came before it was wanted, and then what comes."""
        rest, self._rest = self._rest, b""
        self._resume()
        if self._state is _State.BODY and self._left == 0:
            self._state = _State.ANSWER
        if rest:
            self._take(rest)

    def _refuse(self, status: HTTPStatus) -> None:
        malformed = status == HTTPStatus.BAD_REQUEST
        self._ends.refused(FrontRefusal.MALFORMED if malformed else FrontRefusal.HEADERS_TOO_LARGE)
        if self._transport is not None:
            self._transport.write(self._ends.answer(status))
        self._end()

    def _end(self) -> None:
        """Lets the caller read its answer although it still sends, which a closed connection would not."""
        self._state = _State.END
        self._head.clear()
        self._rest = b""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._conversation is not None:
            self._conversation.transport = None  # so that aiohttp does not close it
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()  # TLS says so to the caller, and still reads until it agrees
        self._resume()
        self._timer.set(min(_LINGER_S, self._limits.handshake_s))

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()
