"""The HTTP port: a few text pages for probes, one request per connection, and a limit on everything it takes.

It uses no HTTP library, because it needs none: bodies are never read, headers are ignored, and a connection ends after
its answer or when its time is over.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from bridge.config import GatewaySettings
from bridge.fronts.address import cannot_listen, with_port

__all__ = ["HttpPort", "Page"]

_log = logging.getLogger(__name__)

_END = b"\r\n\r\n"
_DISCARDED = 16  # reads of bytes that a caller still sends, so that it gets its answer before the connection's end


class Page(NamedTuple):
    """The status and the text that answer a request for a path."""

    status: HTTPStatus
    text: str


class HttpPort:
    """The gateway's HTTP server: `start` binds its port, and it answers until `close`.

    Args:
        settings: the gateway's settings.
        pages: functions that make the pages, by path; each gets whether the caller is on this machine.
    """

    def __init__(self, settings: GatewaySettings, pages: Mapping[str, Callable[[bool], Page]]) -> None:
        self._settings = settings
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Binds the port, begins to serve, and returns "host:port".

        Raises:
            ConfigError: the port can't be bound.
        """
        host, port = self._settings.host, self._settings.http_port
        limit = self._settings.max_header_bytes
        try:
            self._server = await asyncio.start_server(self._take, host, port, limit=limit)
        except OSError as error:
            raise cannot_listen("HTTP", host, port) from error
        return with_port(host, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening and ends every connection at once; may be called more than once."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._settings.max_connections:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._settings.handshake_s):
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await self._converse(reader, writer)
        except TimeoutError:
            pass
        finally:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(_END)
        except asyncio.LimitOverrunError:
            answer = _answer(Page(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, ""))
        else:
            answer = self.answer(head, writer.get_extra_info("peername")[0])
        writer.write(answer)
        await writer.drain()
        writer.write_eof()
        for _ in range(_DISCARDED):
            if not await reader.read(self._settings.max_header_bytes):
                break

    def answer(self, head: bytes, peer: str) -> bytes:
        """Returns all bytes of the answer to a request.

        Args:
            head: the request's first line and headers, up to the empty line.
            peer: the caller's IP address.
        """
        method, path = _asked(head)
        if not method:
            return _answer(Page(HTTPStatus.BAD_REQUEST, ""))
        if (page := self._pages.get(path)) is None:
            return _answer(Page(HTTPStatus.NOT_FOUND, ""))
        if method not in ("GET", "HEAD"):
            return _answer(Page(HTTPStatus.METHOD_NOT_ALLOWED, ""), "Allow: GET, HEAD\r\n")
        try:
            shown = page(_on_this_machine(peer))
        except Exception:  # noqa: BLE001 - a probe must get an answer whatever is wrong
            _log.exception("the page %s of the HTTP port failed because of a bug in the gateway", path)
            shown = Page(HTTPStatus.INTERNAL_SERVER_ERROR, "")
        answer = _answer(shown)
        return answer if method == "GET" else answer[: answer.index(_END) + len(_END)]


def _asked(head: bytes) -> tuple[str, str]:
    """Returns the request's method and path; both are empty if the head is not HTTP/1."""
    parts = head.partition(b"\r\n")[0].split(b" ")
    if len(parts) != 3 or not parts[0].isalpha() or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):  # noqa: PLR2004
        return "", ""
    return parts[0].decode(), parts[1].partition(b"?")[0].decode("latin-1")


def _answer(page: Page, headers: str = "") -> bytes:
    text = page.text or f"{page.status.phrase}\n"
    content = text.encode()
    return (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode() + content


def _on_this_machine(peer: str) -> bool:
    address = ip_address(peer.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
