"""Speaks HTTP with a search engine: one connection, one request at a time, each with limits and a typed failure."""

import base64
import email.utils
import http.client
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from bridge.addresses import is_loopback_host
from bridge.errors import BridgeError
from bridge.files import read_regular

__all__ = ["Answer", "SearchTarget", "TargetRefused", "TargetSettings", "TargetUnavailable"]

_MOST_ANSWER_BYTES = 64 << 20
_MOST_SECRET_BYTES = 4096
_MOST_URL = 500
_MOST_RETRY_AFTER_S = 300.0
_SUCCESS = range(200, 300)
_TOLD = frozenset({400, 404, 413})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_JSON, _LINES = "application/json", "application/x-ndjson"


class TargetRefused(BridgeError):
    """The search engine can't be used as it is set up here; to try again would change nothing."""

    reason = "TARGET_REFUSED"


class TargetUnavailable(BridgeError):
    """The search engine did not answer, or can't take requests now.

    Attributes:
        retry_after_s: in how many seconds it wants to be asked again; None if it does not say so.
    """

    reason = "TARGET_UNAVAILABLE"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


_Reply = tuple[int, http.client.HTTPMessage, bytes]


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Where the search engine is, and how it knows us.

    Attributes:
        url: `http://HOST:PORT` or `https://HOST:PORT`, with a path if the search engine is below one.
        user: the user to log in as; empty for none.
        password_file: the file with the user's password; None for none. It is read anew for each request.
        api_key_file: the file with an API key, as the search engine encoded it; None for none. It is read anew too.
        tls_ca: the PEM file of authorities that sign the search engine's certificate; None for the machine's own.
        timeout_s: how many seconds the search engine may be silent within a request.
    """

    url: str
    user: str = ""
    password_file: Path | None = None
    api_key_file: Path | None = None
    tls_ca: Path | None = None
    timeout_s: float = 60.0

    def check(self) -> None:
        """Checks what can be checked without a connection.

        Raises:
            TargetRefused: the URL or the combination of settings is not usable; the message does not show the URL.
        """
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
            parts.port  # noqa: B018 - reading it checks it
        except ValueError as error:
            raise TargetRefused("the URL is not one: write http://HOST:PORT or https://HOST:PORT") from error
        if parts.username is not None or parts.password is not None:
            raise TargetRefused("the URL holds a name or password, and the list of processes shows it: use files")
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
            raise TargetRefused("the URL must be http://HOST:PORT or https://HOST:PORT, with a path at most")
        if len(self.url) > _MOST_URL:
            raise TargetRefused(f"the URL has more than {_MOST_URL} characters")
        if bool(self.user) != (self.password_file is not None):
            raise TargetRefused("a user and the file with its password must both be named, or neither")
        if self.user and self.api_key_file is not None:
            raise TargetRefused("a user and an API key are named: choose one")
        if parts.scheme == "http" and self.tls_ca is not None:
            raise TargetRefused("authorities for TLS need a URL that begins with https://")
        secret = self.user or self.api_key_file
        if parts.scheme == "http" and secret and not is_loopback_host(host):
            raise TargetRefused("a password or key is not sent in plain text, which others can read: use https://")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the search engine answered: HTTP's status, and its JSON; None if it has none."""

    status: int
    content: Any


class SearchTarget:
    """A search engine behind one connection, which is made when it is needed; for one thread.

    Args:
        settings: where it is.

    Raises:
        TargetRefused: the settings are not usable, or the authorities can't be read.
    """

    def __init__(self, settings: TargetSettings) -> None:
        settings.check()
        self._settings = settings
        parts = urlsplit(settings.url)
        self._address = (str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80))
        self._path = parts.path.rstrip("/")
        self._context = _context(settings) if parts.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Closes the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def bulk(self, body: bytes) -> Answer:
        """Sends actions, one line each with its document's line behind it, and returns what became of each.

        Raises:
            TargetUnavailable: no whole answer came, or the search engine takes nothing now.
            TargetRefused: the search engine does not know us, or does not let us write.
        """
        asked = "errors,items.*.status,items.*._id,items.*.error.type,items.*.error.reason"
        return self.ask("POST", f"/_bulk?filter_path={asked}", body, _LINES)

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = _JSON) -> Answer:
        """Sends a request, and returns an answer of status 200 to 299, 400, 404 or 413.

        Args:
            method: HTTP's method.
            path: the path behind that of the URL, beginning with a slash.
            body: the request's body.
            kind: the media type of the body.

        Raises:
            TargetUnavailable: no whole answer came, or it says to try again.
            TargetRefused: any other status, such as one of missing rights.
        """
        try:
            status, headers, raw = self._again_if_stale(method, path, body, kind)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise TargetRefused(f"its certificate is not trusted: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TargetUnavailable(f"no answer: {_cause(error)}") from error
        if status in _PASSING:
            raise TargetUnavailable(f"it answered with status {status}", _retry_after(headers.get("Retry-After")))
        if not (status in _SUCCESS or status in _TOLD):
            raise TargetRefused(f"{method} {path.partition('?')[0]} was answered with status {status}: {_hint(status)}")
        return Answer(status, _parsed(raw, needed=status in _SUCCESS))

    def _again_if_stale(self, method: str, path: str, body: bytes, kind: str) -> _Reply:
        """Sends a request, once more if a connection that was idle turns out to have been closed meanwhile."""
        idle = self._connection is not None
        try:
            return self._exchange(method, path, body, kind)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if not idle:
                raise
        return self._exchange(method, path, body, kind)

    def _exchange(self, method: str, path: str, body: bytes, kind: str) -> _Reply:
        headers = {"Content-Type": kind, "Accept": _JSON, **self._login()}
        connection = self._connection = self._connection or self._connect()
        connection.request(method, self._path + path, body or None, headers)
        response = connection.getresponse()
        raw = response.read(_MOST_ANSWER_BYTES + 1)
        if len(raw) > _MOST_ANSWER_BYTES:
            self.close()
            raise TargetRefused(f"an answer has more than {_MOST_ANSWER_BYTES} bytes: this is no search engine")
        if response.length:  # `read` with a count does not complain of an answer that ends early
            raise http.client.IncompleteRead(raw[:0], response.length)
        if response.will_close:
            self.close()
        return response.status, response.headers, raw

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._address
        if self._context is not None:
            return http.client.HTTPSConnection(host, port, timeout=self._settings.timeout_s, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._settings.timeout_s)

    def _login(self) -> dict[str, str]:
        settings = self._settings
        if settings.api_key_file is not None:
            key = _secret(settings.api_key_file)
            if not key.isascii():
                raise TargetRefused(f"{settings.api_key_file} must hold an API key in base64, as it was given out")
            return {"Authorization": f"ApiKey {key}"}
        if settings.password_file is None:
            return {}
        pair = f"{settings.user}:{_secret(settings.password_file)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _context(settings: TargetSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if settings.tls_ca is None else str(settings.tls_ca))
    except (OSError, ssl.SSLError) as error:
        raise TargetRefused(f"{settings.tls_ca} must hold certificates in PEM: {_cause(error)}") from error


def _secret(path: Path) -> str:
    try:
        secret = read_regular(path, _MOST_SECRET_BYTES).removesuffix(b"\n").decode()
    except (OSError, BridgeError, UnicodeDecodeError) as error:
        why = error if isinstance(error, BridgeError) else getattr(error, "strerror", "") or "it is not UTF-8"
        raise TargetRefused(f"{path} must hold a password or key: {why}") from error
    if not secret or not secret.isprintable():
        raise TargetRefused(f"{path} must hold a password or key, on one line")
    return secret


def _parsed(raw: bytes, *, needed: bool) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if needed:
            raise TargetUnavailable("its answer is no whole JSON") from error
        return None


def _retry_after(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text) if text.isdecimal() else email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return None
    return min(max(seconds, 0.0), _MOST_RETRY_AFTER_S)


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it was silent for too long"
    if isinstance(error, http.client.HTTPException):
        return f"the answer was cut or is not HTTP ({type(error).__name__})"
    if isinstance(error, socket.gaierror):
        return "its host has no address"
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__


def _hint(status: int) -> str:
    hints = {401: "it wants a user and password or an API key", 403: "the user or key has not the rights for it"}
    return hints.get(status, "the URL may lead to something else")
