"""A server between a shipper and a search engine, which answers some requests by itself or spoils their answers."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from urllib.parse import urlsplit

__all__ = ["Fault", "SearchProxy", "cut_answer", "lost_answer", "proxied", "status"]

Fault = Callable[["_Conversation"], None]


@dataclass
class SearchProxy:
    """Passes requests on; each bulk takes the next fault, if one is left.

    Attributes:
        url: where it listens.
        faults: what happens to the next bulks; None lets one pass.
        bulks: the bodies of the bulks that came.
        headers: the headers of the requests that came.
    """

    url: str = ""
    faults: list[Fault | None] = field(default_factory=list)
    bulks: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: SearchProxy
    target: str

    def _pass(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.proxy.headers.append(dict(self.headers))
        fault = None
        if self.path.startswith("/_bulk"):
            self.proxy.bulks.append(self.body)
            fault = self.proxy.faults.pop(0) if self.proxy.faults else None
        if fault is not None:
            fault(self)
            return
        code, raw = self.forward()
        self.reply(code, raw)

    do_GET = do_PUT = do_POST = _pass  # noqa: N815 - the server looks for these names

    def forward(self) -> tuple[int, bytes]:
        """Has the engine do it, and returns its answer."""
        parts = urlsplit(self.target)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        try:
            kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            connection.request(self.command, self.path, self.body or None, kind)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def reply(
        self, code: int, raw: bytes = b"{}", claimed: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answers, with a length that may be a lie."""
        self.send_response(code)
        self.send_header("Content-Length", str(len(raw) if claimed is None else claimed))
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def status(code: int, **headers: str) -> Fault:
    """The engine does not get it, and this status is answered."""
    return lambda conversation: conversation.reply(code, headers=headers)


def cut_answer(conversation: _Conversation) -> None:
    """The engine does it, and half of its answer comes back."""
    code, raw = conversation.forward()
    conversation.reply(code, raw[: len(raw) // 2], len(raw))
    conversation.close_connection = True


def lost_answer(conversation: _Conversation) -> None:
    """The engine does it, and nothing comes back."""
    conversation.forward()
    conversation.close_connection = True


@contextmanager
def proxied(target: str, context: SSLContext | None = None) -> Iterator[SearchProxy]:
    """A proxy before the engine of this URL, with TLS if there is a context for it."""
    proxy = SearchProxy()
    kind = type("Conversation", (_Conversation,), {"proxy": proxy, "target": target})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    proxy.url = f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
