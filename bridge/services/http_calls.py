"""Requests and answers of HTTP as the services see them, and the problem documents that answer failed ones."""

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from bridge.callers.caller import Credentials
from bridge.calls import ModelRef
from bridge.errors import BridgeError, Unauthenticated
from bridge.services.status import code_of
from bridge.values import value

__all__ = ["HttpAnswer", "HttpRequest", "Route", "http_status_of", "problem", "problem_of"]

_MOST_DETAIL = 400  # characters: a message may name columns of any length

# By the names of gRPC's status codes, so that an error fails in one way on every wire.
_STATUS: dict[str, HTTPStatus] = {
    "INVALID_ARGUMENT": HTTPStatus.BAD_REQUEST,
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
    "NOT_FOUND": HTTPStatus.NOT_FOUND,
    "FAILED_PRECONDITION": HTTPStatus.CONFLICT,
    "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": HTTPStatus.GATEWAY_TIMEOUT,
    "INTERNAL": HTTPStatus.INTERNAL_SERVER_ERROR,
}


@value
class HttpRequest:
    """A request of HTTP, whole and within its limits.

    Attributes:
        method: the method, such as "POST".
        path: the path, percent-decoded, without the query.
        query: the query as it was sent, without the question mark; empty if there is none.
        parts: the named pieces of the path, percent-decoded.
        headers: the headers, by their names in lower case.
        body: the body, inflated.
        peer: the caller's address, as gRPC writes it, such as "ipv4:10.0.0.7:5123".
        credentials: what the request and its connection show of who makes it.
        at: when all of it had arrived, in seconds on the loop's clock.
        received_ns: when all of it had arrived, in nanoseconds since 1970.
        body_s: the seconds from the arrival of its head to that of all of it.
    """

    method: str
    path: str
    query: str
    parts: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: str
    credentials: Credentials
    at: float
    received_ns: int
    body_s: float = 0.0


@value
class HttpAnswer:
    """An answer of HTTP.

    Attributes:
        status: the status code.
        body: the bytes of the body.
        content_type: the value of the header Content-Type.
        headers: further headers, by name.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path that the HTTP port answers.

    Attributes:
        method: the method, "GET" or "POST"; GET answers HEAD as well.
        pattern: the path, with named pieces in braces, such as "/v2/models/{model}/infer".
        answer: makes the answer.
        description: the route's part of the OpenAPI document; empty for a route that is not in it.
    """

    method: str
    pattern: str
    answer: Callable[[HttpRequest], Coroutine[Any, Any, HttpAnswer]]
    description: Mapping[str, Any] = field(default_factory=dict)


def http_status_of(error: BridgeError) -> HTTPStatus:
    """Returns the HTTP status of an error."""
    return _STATUS[code_of(error).name]


def problem_of(error: BridgeError, ref: ModelRef | None = None, request_id: str = "") -> HttpAnswer:
    """Returns the answer to a call that failed: a problem document of RFC 9457 with the error's reason.

    Args:
        error: why the call failed.
        ref: the model and version, if they are known.
        request_id: the id of the call; empty if it has none yet.
    """
    more: dict[str, Any] = {}
    if ref is not None:
        more |= {"model": _short(ref.model)} | ({"version": ref.version} if ref.version else {})
    more |= {"limit": error.limit} if error.limit else {}
    more |= {"request_id": request_id} if request_id else {}
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    return problem(http_status_of(error), str(error), error.reason, more, headers)


def problem(
    status: HTTPStatus,
    detail: str,
    reason: str = "INVALID_REQUEST",
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """Returns a problem document of RFC 9457.

    Args:
        status: the HTTP status.
        detail: what happened, in a sentence for the caller.
        reason: the UPPER_SNAKE name of the event, the same as in gRPC's errors.
        more: further members of the document.
        headers: further headers of the answer.
    """
    detail = _short(detail)
    # `error` is what clients of the Open Inference Protocol read.
    document = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    document |= {"reason": reason, "error": detail, **(more or {})}
    return HttpAnswer(status.value, json.dumps(document).encode(), "application/problem+json", headers or {})


def _short(text: str) -> str:
    return text if len(text) <= _MOST_DETAIL else f"{text[:_MOST_DETAIL]}…"
