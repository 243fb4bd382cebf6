"""The pages of the HTTP port: whether the gateway lives, and whether calls should be sent to it."""

from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote

from bridge.fronts.front import Front
from bridge.gateway.holds import Holds
from bridge.models.registry import Registry
from bridge.prediction_log.writer import PredictionLog
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route
from bridge.services.models import format_instant
from bridge.services.scoring import ScoringService

__all__ = ["Pages"]


class Pages:
    """The HTTP pages of one gateway, made anew for each request.

    Args:
        registry: the gateway's versions.
        front: the gateway's gRPC server.
        service: the service that answers the gateway's calls.
        holds: the measured holds of the gateway's event loop.
        log: the prediction log; None if the gateway keeps none.

    Attributes:
        decided: whether every version has been loaded, refused or set to wait at least once since the start.
        draining: whether the gateway has stopped taking new calls.
    """

    def __init__(
        self, registry: Registry, front: Front, service: ScoringService, holds: Holds, log: PredictionLog | None
    ) -> None:
        self._registry = registry
        self._front = front
        self._service = service
        self._holds = holds
        self._log = log
        self.decided = False
        self.draining = False

    def routes(self) -> list[Route]:
        """Returns the routes of the pages; names and reasons are for callers on this machine."""
        return [Route("GET", "/livez", self._show_live), Route("GET", "/readyz", self._show_ready)]

    def probes(self) -> list[Route]:
        """Returns the routes of the pages for a port that shows no names to anybody."""
        return [Route("GET", "/livez", self._show_live), Route("GET", "/readyz", self._show_whether_ready)]

    def ready(self) -> bool:
        """Whether calls should be sent here: a model serves, or the repository is known to hold no model."""
        models = self._registry.models()
        served = any(self._registry.serving(model) for model in models)
        known = self.decided and not self._registry.hanging()
        return not self.draining and (served or (known and not models))

    async def _show_live(self, _: HttpRequest) -> HttpAnswer:
        return _page(HTTPStatus.OK, "ok\n")

    async def _show_ready(self, request: HttpRequest) -> HttpAnswer:
        """Answers /readyz: names and reasons only for callers on this machine, else just "ready" or "not ready"."""
        if not _is_this_machine(request.peer):
            return await self._show_whether_ready(request)
        return _page(self._status(), self.readiness())

    async def _show_whether_ready(self, _: HttpRequest) -> HttpAnswer:
        return _page(self._status(), "ready\n" if self.ready() else "not ready\n")

    def _status(self) -> HTTPStatus:
        return HTTPStatus.OK if self.ready() else HTTPStatus.SERVICE_UNAVAILABLE

    def readiness(self) -> str:
        """Returns the text of /readyz for callers on this machine: what is wrong, then a line for each version."""
        lines = ["draining"] if self.draining else []
        if self._front.tls_fault:
            lines.append(f"{self._front.tls_fault}; new connections still get the last certificate that was correct")
        if self._log is not None and self._log.lost:
            lines.append(f"prediction log: {self._log.lost} records were not written")
        for what, count in self._registry.hanging().items():
            lines.append(f"reading {what} hangs, {count} threads wait for the file system")
        if self._service.refused_by_bounds:
            lines.append(f"refused messages that held more than allowed: {self._service.refused_by_bounds}")
        for version in self._registry.versions():
            serving = " serving" if self._registry.serving(version.stored.model) is version else ""
            until = "" if version.retry_at is None else f" until {format_instant(version.retry_at)}"
            reason = f": {version.reason}" if version.reason else ""
            unproven = ", never scored" if version.ready and version.never_scored else ""
            lines.append(f"{version.ref} {version.state.lower()}{serving}{unproven}{until}{reason}")
        held_ms = 1000 * self._holds.longest_s()
        lines.append(f"longest hold of the event loop in the last minute: {held_ms:.1f} ms")
        return "\n".join(lines) + "\n"


def _page(status: HTTPStatus, text: str) -> HttpAnswer:
    return HttpAnswer(int(status), text.encode(), "text/plain; charset=utf-8")


def _is_this_machine(peer: str) -> bool:
    """Whether a peer, as gRPC writes it, has one of this machine's own loopback addresses."""
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
