"""Finds the route that a request's path and method name."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

from bridge.services.http_calls import HttpAnswer, Route, problem

__all__ = ["Found", "Routes", "decoded_path"]

_PIECE = re.compile(r"\{(\w+)\}")
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class Found(NamedTuple):
    """A route, and the named pieces of the path that led to it."""

    route: Route
    parts: Mapping[str, str]


class Routes:
    """The routes of a port.

    Args:
        routes: all of them; of two whose patterns fit a path, the first one counts.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_pattern: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._by_pattern.setdefault(route.pattern, {})[route.method] = route
        self._patterns = [(_compiled(pattern), methods) for pattern, methods in self._by_pattern.items()]

    def find(self, method: str, path: str) -> Found | HttpAnswer:
        """Returns the route of a method and a decoded path, or the answer that says that there is none."""
        for pattern, methods in self._patterns:
            if (fits := pattern.fullmatch(path)) is not None:
                route = methods.get("GET" if method == "HEAD" else method)
                return _not_allowed(methods) if route is None else Found(route, fits.groupdict())
        return problem(HTTPStatus.NOT_FOUND, "this port has no such path", "NOT_FOUND")


def decoded_path(target: str) -> str:
    """Returns the decoded path of a request's target; empty if a part of it is not UTF-8 or holds a slash."""
    origin = _ORIGIN.match(target)
    encoded = target[origin.end() :] if origin else target
    try:
        pieces = [unquote(piece, errors="strict") for piece in encoded.partition("?")[0].split("/")]
    except UnicodeDecodeError:
        return ""
    return "" if any("/" in piece or "\0" in piece for piece in pieces) else "/".join(pieces)


def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = _PIECE.split(pattern)
    text = "".join(f"(?P<{piece}>[^/]+?)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces))
    return re.compile(text)


def _not_allowed(methods: Mapping[str, Route]) -> HttpAnswer:
    allowed = sorted({*methods, *({"HEAD"} if "GET" in methods else ())})
    names = ", ".join(allowed)
    return problem(
        HTTPStatus.METHOD_NOT_ALLOWED, f"this path takes {names}", "METHOD_NOT_ALLOWED", headers={"Allow": names}
    )
