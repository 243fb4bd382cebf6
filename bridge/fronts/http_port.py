"""The HTTP port, on aiohttp: routes behind bounds on everything that it takes, in plain text or with TLS."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from aiohttp import HttpVersion11, web

from bridge.callers.access import Access
from bridge.calls import now
from bridge.config import GatewaySettings
from bridge.counters import FrontRefusal
from bridge.errors import BridgeError, Draining, InternalError, PermissionDenied
from bridge.events import HTTP_BUG
from bridge.fronts.address import cannot_listen, with_port
from bridge.fronts.http_bodies import BodyRefused, check_head, take_body
from bridge.fronts.http_connection import Connection
from bridge.fronts.http_conversation import Answer, Conversation, raw_answer
from bridge.fronts.http_limits import Ends, Limits
from bridge.fronts.http_routes import Routes, decoded_path
from bridge.layers.shares import Shares
from bridge.own_log import OwnLog
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route, problem_of

__all__ = ["HttpPort"]

_log = OwnLog(__name__)

_LEAST_BODY_BYTES = 64 << 10


class HttpPort:
    """One HTTP port: `start` binds it, and it answers until `close`.

    Args:
        settings: the gateway's settings.
        port: the number of the port; 0 picks a free one.
        routes: what it answers.
        access: who may call; a body of anybody else is not taken.
        inflight: limits the bytes of bodies that are held at one time, by all callers together and by each.
        refused: called with the reason of each request that is refused here, to count it.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        port: int,
        routes: Iterable[Route],
        access: Access,
        inflight: Shares,
        *,
        refused: Callable[[str], None],
    ) -> None:
        self._refused = refused
        self._settings = settings
        self._port = port
        self._routes = Routes(routes)
        self._access = access
        self._inflight = inflight
        self._limits = Limits(
            settings.max_header_bytes,
            settings.handshake_s,
            settings.message_s,
            settings.connection_idle_s,
            max(2 * settings.max_message_bytes, _LEAST_BODY_BYTES),
        )
        self._context: Callable[[], ssl.SSLContext] | None = None
        self._listening: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._conversations: set[Conversation] = set()
        self._draining = False
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, context: Callable[[], ssl.SSLContext] | None = None) -> str:
        """Binds the port, begins to serve, and returns "host:port".

        Args:
            context: returns the TLS context for a new connection; None serves in plain text.

        Raises:
            ConfigError: the port can't be bound.
        """
        self._context = context
        self._server = web.Server(self._answer, handler_cancellation=True)
        host, port = self._settings.host, self._port
        try:
            self._listening = await asyncio.get_running_loop().create_server(self._connection, host, port)
        except OSError as error:
            raise cannot_listen("HTTP", host, port) from error
        return with_port(host, self._listening.sockets[0].getsockname()[1])

    async def drain(self, grace_s: float) -> None:
        """Takes no new calls, and waits up to `grace_s` seconds for those under way; pages are still shown."""
        self._draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._idle.wait()

    async def close(self) -> None:
        """Stops listening and ends every connection at once; may be called more than once."""
        if self._listening is not None:
            self._listening.close()
        for connection in tuple(self._open):
            connection.abort()
        await asyncio.gather(*(one.ended for one in tuple(self._conversations)))

    def _connection(self) -> asyncio.BaseProtocol:
        """Returns the protocol of a new connection; one that closes it at once where there are too many."""
        if len(self._open) >= self._settings.max_connections:
            self._refused(FrontRefusal.CONNECTION_LIMIT)
            return _Closed()
        ends = Ends(raw_answer, self._refused, self._open.discard)
        connection = Connection(self._limits, self._converse, self._context, ends)
        self._open.add(connection)
        return connection

    def _converse(self, connection: Connection) -> Conversation:
        conversation = Conversation(
            self._server,
            connection,
            refused=self._refused,
            keepalive_timeout=2 * self._settings.connection_idle_s,  # the connection itself is stricter
            max_line_size=self._settings.max_header_bytes,
            max_field_size=self._settings.max_header_bytes,
            auto_decompress=False,
        )
        self._conversations.add(conversation)
        conversation.ended.add_done_callback(lambda _: self._conversations.discard(conversation))
        return conversation

    async def _answer(self, request: web.BaseRequest) -> Answer:
        """Called by aiohttp: answers a request whose head is here."""
        conversation = request.protocol
        assert isinstance(conversation, Conversation)  # noqa: S101 - for the type checker
        connection = conversation.connection
        conversation.whole = False
        try:
            answer = await self._found(request, conversation)
        except BodyRefused as refused:
            self._refused(refused.reason)
            answer = refused.answer
        except BridgeError as error:
            self._refused(error.reason)
            answer = problem_of(error)
        except Exception as bug:  # noqa: BLE001 - its text may hold input values, and aiohttp would show it
            _log.say(HTTP_BUG, bug=bug)
            self._refused(InternalError.reason)
            answer = problem_of(InternalError())
        conversation.whole = not _has_body(request) or request.content.is_eof()
        connection.take_no_more()
        return Answer(answer, last=self._is_last(request, connection, whole=conversation.whole))

    async def _found(self, request: web.BaseRequest, conversation: Conversation) -> HttpAnswer:
        """Answers a request by the route that it names."""
        connection = conversation.connection
        _check_version(request)
        path = decoded_path(request.raw_path)
        found = self._routes.find(request.method, path)
        if isinstance(found, HttpAnswer):
            unknown = found.status == HTTPStatus.NOT_FOUND
            self._refused(FrontRefusal.NOT_FOUND if unknown else FrontRefusal.METHOD_NOT_ALLOWED)
            return found
        asked = _request(request, connection, path, found.parts)
        if found.route.method == "GET":
            connection.take_no_more()
            return await found.route.answer(asked)
        if "Origin" in request.headers:
            raise PermissionDenied("the request comes from a web page, by its header Origin: pages may not call models")
        if self._draining:
            raise Draining("this gateway is going down and takes no new calls")
        self._calls += 1
        self._idle.clear()
        try:
            by = self._access.find(asked.credentials)
            if by is None:
                return await found.route.answer(asked)  # which refuses it, and puts that on record
            return await found.route.answer(await self._with_body(asked, request, conversation, by.name))
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def _with_body(
        self, asked: HttpRequest, request: web.BaseRequest, conversation: Conversation, caller: str
    ) -> HttpRequest:
        """Returns the request with its body, which is taken now."""
        connection, most = conversation.connection, self._settings.max_message_bytes
        check_head(request, most)
        if "Expect" in request.headers:
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        held = 0

        def hold(count: int) -> None:
            nonlocal held
            self._inflight.take(caller, count)
            held += count

        try:
            if _has_body(request):
                conversation.body = request.content
                connection.take_body(request.content_length)
            async with asyncio.timeout(self._settings.message_s):
                body = await take_body(request, most, hold)
            connection.take_no_more()
        except TimeoutError:
            limit = f"the body did not arrive within {self._settings.message_s:g} s"
            raise BodyRefused(HTTPStatus.REQUEST_TIMEOUT, limit) from None
        finally:
            self._inflight.give_back(caller, held)  # whoever answers takes them again, before anything else can
        at = now()
        return replace(asked, body=body, at=at, received_ns=time.time_ns(), body_s=at - asked.at)

    def _is_last(self, request: web.BaseRequest, connection: Connection, *, whole: bool) -> bool:
        """Whether a connection ends with its answer: where it is not known what comes behind it, and by age."""
        chunked = _has_body(request) and request.content_length is None
        upgraded = request.method == "CONNECT" or request.headers.get("Upgrade", "").lower() == "websocket"
        old = now() - connection.since > self._settings.connection_age_s
        return not whole or chunked or upgraded or old or self._draining


class _Closed(asyncio.Protocol):
    """A connection that is not taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: ends the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        transport.abort()


def _check_version(request: web.BaseRequest) -> None:
    """Checks that a head of HTTP/1.1 has its host, and one of HTTP/1.0 nothing that proxies read in another way."""
    if request.version >= HttpVersion11 and len(request.headers.getall("Host", ())) != 1:
        raise BodyRefused(HTTPStatus.BAD_REQUEST, "an HTTP/1.1 request must have one header Host")
    if request.version < HttpVersion11 and "Transfer-Encoding" in request.headers:
        raise BodyRefused(HTTPStatus.BAD_REQUEST, "an HTTP/1.0 request can't have a Transfer-Encoding")


def _has_body(request: web.BaseRequest) -> bool:
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def _request(request: web.BaseRequest, connection: Connection, path: str, parts: Mapping[str, str]) -> HttpRequest:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
    shown = connection.shown
    if "authorization" in headers:
        shown = replace(shown, authorization=tuple(request.headers.getall("Authorization")))
    return HttpRequest(
        method=request.method,
        path=path,
        query=request.raw_path.partition("?")[2],
        parts=parts,
        headers=headers,
        body=b"",
        peer=shown.peer,
        credentials=shown,
        at=now(),
        received_ns=time.time_ns(),
    )
