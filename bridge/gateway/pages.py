"""The pages of the HTTP port: whether the gateway lives, and whether calls should be sent to it."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from bridge.callers.access import Access
from bridge.fronts.front import Front
from bridge.fronts.http_port import Page
from bridge.gateway.holds import Holds
from bridge.models.registry import Registry
from bridge.prediction_log.writer import PredictionLog
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
    ) -> None:
        self._registry = registry
        self._front = front
        self._intake = intake
        self._access = access
        self._holds = holds
        self._log = log
        self.decided = False
        self.draining = False
        self.notes: list[str] = []

    def by_path(self) -> Mapping[str, Callable[[bool], Page]]:
        """Returns the functions that make the pages, by path; each takes whether the caller is on this machine."""
        return {"/livez": self._show_live, "/readyz": self._show_ready}

    def ready(self) -> bool:
        """Whether calls should be sent here: a model serves, or the repository is known to hold no model."""
        models = self._registry.models()
        served = any(self._registry.serving(model) for model in models)
        known = self.decided and not self._registry.hanging()
        return not self.draining and (served or (known and not models))

    def _show_live(self, _: bool) -> Page:
        return Page(HTTPStatus.OK, "ok\n")

    def _show_ready(self, here: bool) -> Page:
        """Returns /readyz: names and reasons only for callers on this machine, else just "ready" or "not ready"."""
        ready = self.ready()
        text = self.readiness() if here else "ready\n" if ready else "not ready\n"
        return Page(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, text)

    def readiness(self) -> str:
        """Returns the text of /readyz for callers on this machine: what is wrong, then a line for each version."""
        lines = ["draining"] if self.draining else []
        if self._front.tls_fault:
            lines.append(f"{self._front.tls_fault}; new connections still get the last certificate that was correct")
        if self._log is not None and self._log.lost:
            lines.append(f"prediction log: {self._log.lost} records were not written")
        for what, count in self._registry.hanging().items():
            lines.append(f"reading {what} hangs, {count} threads wait for the file system")
        if self._access.fault:
            lines.append(f"{self._access.fault}; the last callers that were valid may still call, and no others")
        if self._access.refused:
            lines.append(f"refused calls of unknown callers: {self._access.refused}")
        if self._intake.counting.refused:
            lines.append(f"refused messages that held more than allowed: {self._intake.counting.refused}")
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
