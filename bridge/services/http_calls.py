"""What an HTTP request asks and what answers it, without anything of the server that took it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any

from bridge.calls import ModelRef
from bridge.errors import BridgeError
from bridge.values import value

__all__ = ["HttpAnswer", "HttpRequest", "Route", "problem"]


@value
class HttpRequest:
    """A request as a route gets it.

    Attributes:
        method: the method, in capitals.
        path: the path, decoded.
        query: what follows the question mark, as it came.
        parts: the named pieces of the path, decoded.
        headers: the headers, by their names in lower case.
        body: the body, inflated; empty where the route takes none.
        at: when all of it had arrived, in seconds on the loop's clock.
        received_ns: when all of it had arrived, in nanoseconds since 1970.
        peer: the caller's address, as gRPC writes it.
        credentials: what the caller shows of itself.
    """

    method: str
    path: str
    query: str
    parts: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float
    received_ns: int
    peer: str
    credentials: Any


@value
class HttpAnswer:
    """What a route answers: status, body, its type, and further headers."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@value
class Route:
    """One method of one path.

    Attributes:
        method: the method, in capitals.
        pattern: the path, with names in braces for its pieces, such as "/v1/models/{model}".
        answer: answers a request.
        body: whether the request's body is read.
    """

    method: str
    pattern: str
    answer: Callable[[HttpRequest], Awaitable[HttpAnswer]]
    body: bool = False


def problem(
    event: int | BridgeError, detail: str = "", ref: ModelRef | None = None, headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """Returns a problem document."""
    status = HTTPStatus(event) if isinstance(event, int) else HTTPStatus.INTERNAL_SERVER_ERROR
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return HttpAnswer(int(status), json.dumps(body).encode(), "application/problem+json", headers or {})
