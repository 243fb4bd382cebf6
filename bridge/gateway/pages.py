"""The pages of the HTTP port: whether the gateway lives, and whether calls should be sent to it."""

from http import HTTPStatus

from bridge.addresses import is_loopback, names_this_machine
from bridge.callers.access import Access
from bridge.errors import Unauthenticated
from bridge.features.stores.stores import Stores
from bridge.fronts.front import Front
from bridge.gateway.holds import Holds
from bridge.models.registry import Registry
from bridge.prediction_log.writer import PredictionLog
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route
from bridge.services.intake import Intake
from bridge.services.models import format_instant

__all__ = ["Pages"]


class Pages:
    """The HTTP pages of one gateway, made anew for each request.

    Args:
        registry: the gateway's versions.
        front: the gateway's gRPC server.
        intake: reads the messages of the gateway's calls.
        access: who may call.
        holds: the measured holds of the gateway's event loop.
        log: the prediction log; None if the gateway keeps none.
        stores: where features are looked up by key.

    Attributes:
        decided: whether every version has been loaded, refused or set to wait at least once since the start.
        draining: whether the gateway has stopped taking new calls.
        notes: sentences on how the gateway runs, for its operators.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        front: Front,
        intake: Intake,
        access: Access,
        holds: Holds,
        log: PredictionLog | None,
        stores: Stores,
    ) -> None:
        self._registry = registry
        self._front = front
        self._intake = intake
        self._access = access
        self._holds = holds
        self._log = log
        self._stores = stores
        self.decided = False
        self.draining = False
        self.notes: list[str] = []

    def routes(self) -> list[Route]:
        """Returns the routes of the pages; names and reasons are for those who operate, and for this machine."""
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

    def may_see(self, request: HttpRequest) -> bool:
        """Whether names and reasons may be shown: to callers with the role "operate", and to this machine.

        In plain text and without a token, this machine must ask under its own name or an address.
        """
        shown = request.credentials
        if is_loopback(shown.peer) and (shown.encrypted or names_this_machine(request.headers.get("host", ""))):
            return True
        if not shown.authorization and not shown.certificate:
            return False  # most probes are nobody, and no call of an unknown caller that would be worth counting
        try:
            return self._access.identify(shown).operates
        except Unauthenticated:
            return False

    async def _show_live(self, _: HttpRequest) -> HttpAnswer:
        return _page(HTTPStatus.OK, "ok\n")

    async def _show_ready(self, request: HttpRequest) -> HttpAnswer:
        """Answers /readyz: names and reasons for whoever may see them, else just "ready" or "not ready"."""
        if not self.may_see(request):
            return await self._show_whether_ready(request)
        return _page(self._status(), self.readiness())

    async def _show_whether_ready(self, _: HttpRequest) -> HttpAnswer:
        return _page(self._status(), "ready\n" if self.ready() else "not ready\n")

    def _status(self) -> HTTPStatus:
        return HTTPStatus.OK if self.ready() else HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def certificate_fault(self) -> str:
        """What is wrong with the files of TLS, and what is served meanwhile; empty if nothing is."""
        fault = self._front.tls_fault
        return f"{fault}; new connections still get the last certificate that was correct" if fault else ""

    @property
    def callers_fault(self) -> str:
        """What is wrong with the file of callers, and who may call meanwhile; empty if nothing is."""
        fault = self._access.fault
        return f"{fault}; the last callers that were valid may still call, and no others" if fault else ""

    def readiness(self) -> str:
        """Returns the text of /readyz for those who may see names: what is wrong, then a line for each version."""
        lines = ["draining"] if self.draining else []
        lines += filter(None, [self.certificate_fault])
        if self._log is not None and self._log.lost:
            lines.append(f"prediction log: {self._log.lost} records were not written")
        lines += [f"store '{name}' {state}" for name, state in self._stores.states.items() if state]
        for what, count in self._registry.hanging().items():
            lines.append(f"reading {what} hangs, {count} threads wait for the file system")
        lines += filter(None, [self.callers_fault])
        if self._access.refused:
            lines.append(f"refused calls of unknown callers: {self._access.refused}")
        if self._intake.counting.refused:
            lines.append(f"refused messages that held more than allowed: {self._intake.counting.refused}")
        unloaded = "was unloaded, until it is loaded again or the gateway restarts"
        lines += [f"{model} {unloaded}" for model in sorted(self._registry.unloaded)]
        for version in self._registry.versions():
            serving = " serving" if self._registry.serving(version.stored.model) is version else ""
            until = "" if version.retry_at is None else f" until {format_instant(version.retry_at)}"
            reason = f": {version.reason}" if version.reason else ""
            unproven = ", never scored" if version.ready and version.never_scored else ""
            lines.append(f"{version.ref} {version.state.lower()}{serving}{unproven}{until}{reason}")
        held_ms = 1000 * self._holds.longest_s()
        lines.append(f"longest hold of the event loop in the last minute: {held_ms:.1f} ms")
        lines += self.notes
        return "\n".join(lines) + "\n"


def _page(status: HTTPStatus, text: str) -> HttpAnswer:
    return HttpAnswer(status.value, text.encode(), "text/plain; charset=utf-8")
