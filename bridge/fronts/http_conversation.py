"""aiohttp's half of a connection of the HTTP port, and its answers: no name of software, no traceback, no HTML."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import StreamReader

from bridge.counters import FrontRefusal
from bridge.errors import InternalError
from bridge.events import HTTP_PORT_BUG
from bridge.fronts.http_connection import Connection
from bridge.own_log import OwnLog
from bridge.services.http_calls import HttpAnswer, problem, problem_of

__all__ = ["Answer", "Conversation", "raw_answer"]

_log = OwnLog(__name__)

_NO_LOG: dict[str, Any] = {"access_log": None}  # the type hints don't know that it may be left out


class Answer(web.Response):
    """The bytes of an answer, with no header that names our software.

    Args:
        answer: what is answered.
        last: whether the connection ends with it.
    """

    def __init__(self, answer: HttpAnswer, *, last: bool = False) -> None:
        headers = {"Content-Type": answer.content_type, "X-Content-Type-Options": "nosniff", **answer.headers}
        super().__init__(body=answer.body, status=answer.status, headers=headers)
        if last:
            self.force_close()

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)
        self.headers.popall("Date", None)


class Conversation(web.RequestHandler):
    """Reads the requests of one connection and writes their answers.

    Args:
        server: aiohttp's server.
        connection: the connection.
        refused: called with the reason of each request that is refused here, to count it.
        settings: aiohttp's own.

    Attributes:
        connection: the connection.
        body: the body of the request that is answered now; None if none is taken.
        whole: whether all of that request was taken.
        ended: done when aiohttp is done with the connection.
    """

    def __init__(
        self, server: web.Server, connection: Connection, *, refused: Callable[[str], None], **settings: Any
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, **settings, **_NO_LOG, lingering_time=0)
        self.connection = connection
        self._refused = refused
        self.body: StreamReader | None = None
        self.whole = True
        self.ended: asyncio.Future[None] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        """Takes a part of a request; ends a body whose chunks are wrong, which aiohttp would wait for."""
        super().data_received(data)
        if self.body is not None and self._messages and not self.body.is_eof():
            self.body.set_exception(web.RequestPayloadError())

    async def start(self) -> None:
        """Called by aiohttp: answers requests until the connection ends."""
        try:
            await super().start()
        finally:
            self.connection.left()
            if not self.ended.done():
                self.ended.set_result(None)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Called by aiohttp: writes an answer, and lets the connection go on."""
        self.body = None
        finished = await super().finish_response(request, resp, start_time)
        self.connection.answered(whole=self.whole, last=not resp.keep_alive)
        return finished

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Called by aiohttp where a request is none: returns a problem document that does not quote it."""
        del request, message
        self.whole = False
        if status == HTTPStatus.BAD_REQUEST:
            large = isinstance(exc, LineTooLong)
            self._refused(FrontRefusal.HEADERS_TOO_LARGE if large else FrontRefusal.MALFORMED)
            return Answer(_TOO_LARGE if large else _MALFORMED, last=True)
        self._refused(InternalError.reason)
        _log.say(HTTP_PORT_BUG, bug=exc)
        return Answer(problem_of(InternalError()), last=True)


_MALFORMED = problem(HTTPStatus.BAD_REQUEST, "the bytes are not an HTTP/1.1 request")
_TOO_LARGE = problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's line and headers are larger than allowed"
)


def raw_answer(status: HTTPStatus) -> bytes:
    """Returns all bytes of the answer to a head that is malformed or too large."""
    answer = _MALFORMED if status == HTTPStatus.BAD_REQUEST else _TOO_LARGE
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    ).encode() + answer.body
