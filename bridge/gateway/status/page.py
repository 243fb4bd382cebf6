"""The status page: for those who operate and for this machine, made at most once a second, beside the event loop."""

import asyncio
import base64
import hashlib
from http import HTTPStatus

from bridge.calls import now
from bridge.errors import PermissionDenied
from bridge.gateway.status.disk import Disk, LogDisk
from bridge.gateway.status.facts import Facts
from bridge.gateway.status.rendering import STYLE, render
from bridge.gateway.status.sources import Sources
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route, problem_of

__all__ = ["StatusPage"]

_FRESH_S = 1.0
_STILL = "still"
_TYPE = "text/html; charset=utf-8"
_ANYBODY = (
    "this page is for callers of the role operate, and for this machine, which asks under its own name or an address: "
    "use http://localhost"
)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class StatusPage:
    """The page of one gateway.

    Args:
        sources: the parts of the gateway that it tells of.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        folder = sources.settings.log_dir
        self._disk = None if sources.log is None or folder is None else LogDisk(folder)
        self._making = asyncio.Lock()
        self._facts: Facts | None = None
        self._made: dict[bool, bytes] = {}
        self._until = 0.0

    def route(self) -> Route:
        """Returns the route of the page, `/`; with the query `still` it does not refresh itself."""
        return Route("GET", "/", self._show)

    async def _show(self, request: HttpRequest) -> HttpAnswer:
        if not self._sources.pages.may_see(request):
            return problem_of(PermissionDenied(_ANYBODY))
        body = await self._body(still=request.query == _STILL)
        return HttpAnswer(HTTPStatus.OK.value, body, _TYPE, _HEADERS)

    async def _body(self, *, still: bool) -> bytes:
        """Returns the page as it was at most a second ago; however many ask, it is made once for all."""
        async with self._making:
            if self._facts is None or now() >= self._until:
                disk = Disk() if self._disk is None else await self._disk.find()
                self._facts = await self._sources.facts(disk)
                self._made, self._until = {}, now() + _FRESH_S
            if still not in self._made:
                self._made[still] = await asyncio.to_thread(render, self._facts, still=still)
            return self._made[still]
