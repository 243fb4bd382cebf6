"""What the HTTP port shows: whether the gateway lives, and whether calls should be sent to it."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from bridge.fronts.front import Front
from bridge.fronts.http_port import Page
from bridge.gateway.holds import Holds
from bridge.models.registry import Registry
from bridge.prediction_log.writer import PredictionLog
from bridge.services.models import format_instant
from bridge.services.scoring import ScoringService

__all__ = ["Pages"]


class Pages:
    """The pages of one gateway, made anew whenever one is asked for.

    Args:
        registry: its versions.
        front: what listens for calls.
        service: what answers them.
        holds: of its event loop.
        log: the prediction log; None if it keeps none.

    Attributes:
        decided: every version was loaded, refused or put off once.
        draining: it takes no new calls.
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

    def by_path(self) -> Mapping[str, Callable[[bool], Page]]:
        """The pages, each told whether the caller is on this machine."""
        return {"/livez": self._show_live, "/readyz": self._show_ready}

    def ready(self) -> bool:
        """At least one model is served, or there is none and that is known."""
        models = self._registry.models()
        served = any(self._registry.serving(model) for model in models)
        known = self.decided and not self._registry.hanging()
        return not self.draining and (served or (known and not models))

    def _show_live(self, _: bool) -> Page:
        return Page(HTTPStatus.OK, "ok\n")

    def _show_ready(self, here: bool) -> Page:
        """Names and reasons are for callers on this machine; others learn only whether to send calls."""
        ready = self.ready()
        text = self.readiness() if here else "ready\n" if ready else "not ready\n"
        return Page(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, text)

    def readiness(self) -> str:
        """The text of /readyz for callers on this machine: what is amiss, then a line a version."""
        lines = ["draining"] if self.draining else []
        if self._front.tls_fault:
            lines.append(f"{self._front.tls_fault}; the last certificate that was whole is served")
        if self._log is not None and self._log.lost:
            lines.append(f"prediction log: {self._log.lost} records were not written")
        for what, count in self._registry.hanging().items():
            lines.append(f"reading {what} hangs, {count} threads wait for it")
        if self._service.refused_by_bounds:
            lines.append(f"messages that held more than they may: {self._service.refused_by_bounds}")
        for version in self._registry.versions():
            serving = " serving" if self._registry.serving(version.stored.model) is version else ""
            until = "" if version.retry_at is None else f" until {format_instant(version.retry_at)}"
            reason = f": {version.reason}" if version.reason else ""
            unproven = ", never scored" if version.ready and version.never_scored else ""
            lines.append(f"{version.ref} {version.state.lower()}{serving}{unproven}{until}{reason}")
        held_ms = 1000 * self._holds.longest_s()
        lines.append(f"longest hold of the event loop in the last minute: {held_ms:.1f} ms")
        return "\n".join(lines) + "\n"
