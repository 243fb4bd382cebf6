"""Where the status page's facts come from: they are copied on the event loop, quickly, and written elsewhere."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bridge.backends import Backend
from bridge.calls import now
from bridge.config import GatewaySettings
from bridge.counters import Histogram, Minute
from bridge.features.stores.stores import Stores
from bridge.gateway.drift import DriftWatch
from bridge.gateway.holds import Holds
from bridge.gateway.pages import Pages
from bridge.gateway.services import Services
from bridge.gateway.status.disk import Disk
from bridge.gateway.status.drift import Drift
from bridge.gateway.status.facts import Facts, LogFacts, VersionFacts, Workers
from bridge.models.registry import Registry
from bridge.models.version import Version
from bridge.prediction_log.writer import PredictionLog

__all__ = ["Sources"]

_AT_ONCE = 50  # versions whose facts are copied in one turn of the event loop: about a millisecond


class Sources(NamedTuple):
    """The parts of a gateway that the page tells of.

    Attributes:
        settings: its settings.
        registry: its versions.
        pages: its other pages.
        services: its services, with who may call, what is counted of calls and the bytes of unanswered requests.
        holds: the measured holds of its event loop.
        log: its prediction log; None if it keeps none.
        stores: where features are looked up by key.
        drift: measures drift; None if nothing does.
    """

    settings: GatewaySettings
    registry: Registry
    pages: Pages
    services: Services
    holds: Holds
    log: PredictionLog | None
    stores: Stores
    drift: DriftWatch | None = None

    async def facts(self, disk: Disk) -> Facts:
        """Returns the facts of this moment; many versions take some turns of the event loop.

        Args:
            disk: what was found of the log's disk.
        """
        registry, services, pages = self.registry, self.services, self.pages
        minute = int(now() // 60)
        versions: list[VersionFacts] = []
        for place, one in enumerate(registry.versions(), 1):
            versions.append(self._version_facts(one, minute))
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return Facts(
            at=datetime.now(UTC),
            minute=minute,
            host=socket.gethostname(),
            repository=str(self.settings.repository),
            ready=pages.ready(),
            decided=pages.decided,
            draining=pages.draining,
            faults=tuple(filter(None, (pages.certificate_fault, pages.callers_fault))),
            unknown_callers=services.access.refused,
            refusals=dict(services.answering.counters.refusals),
            hanging=registry.hanging(),
            unloaded=tuple(sorted(registry.unloaded)),
            stores=self.stores.states,
            held_s=self.holds.longest_s(),
            inflight_bytes=services.inflight.held,
            most_inflight_bytes=self.settings.max_inflight_bytes,
            log=self._log_facts(disk),
            drift=Drift.of(self.drift),
            notes=tuple(pages.notes),
            versions=tuple(versions),
        )

    def _log_facts(self, disk: Disk) -> LogFacts | None:
        if self.log is None:
            return None
        return LogFacts(
            folder=str(self.settings.log_dir),
            lost=self.log.lost,
            refuses=self.settings.log_on_failure == "refuse",
            lag_s=self.log.written.lag_s(),
            fault=disk.fault,
            free_bytes=disk.free_bytes,
            disk_bytes=disk.disk_bytes,
            bytes=disk.log_bytes,
            segments=disk.segments,
        )

    def _version_facts(self, version: Version, minute: int) -> VersionFacts:
        model, number = version.stored.model, version.stored.version
        accepted, stack = version.accepted, version.stack
        more: dict[str, Any] = {}
        if (counted := self.services.answering.counters.versions.get((model, number))) is not None:
            more["minutes"] = tuple(_copied(one) if one.number == minute else one for one in counted.minutes)
            more["default_rows"], more["codes"] = dict(counted.default_rows), _by_code(counted.calls)
        if accepted is not None and stack is not None:
            more |= {"engine": accepted.description.engine, "circuit": stack.circuit.state}
            more |= {"workers": _workers(accepted.backend), "pending_rows": accepted.backend.workload.pending_rows}
        return VersionFacts(
            model,
            number,
            version.state,
            serving=self.registry.serving(model) is version,
            never_scored=version.ready and version.never_scored,
            reason=version.reason,
            retry_at=version.retry_at,
            digest=version.ref.digest,
            **more,
        )


def _workers(backend: Backend) -> Workers:
    if (seen := backend.snapshot()) is None:
        workload = backend.workload
        busy, settling = workload.running, workload.occupied
        return Workers(max(0, workload.workers - busy - settling), busy, settling)
    return Workers(
        idle=seen.idle,
        busy=seen.leased,
        settling=seen.settling,
        dying=seen.dying,
        starting=seen.starting,
        waiting=seen.waiting,
        replaced=seen.replaced,
        overrun=seen.overrun,
    )


def _by_code(calls: Mapping[tuple[str, str], int]) -> dict[str, int]:
    codes: dict[str, int] = {}
    for (_, code), count in calls.items():
        codes[code] = codes.get(code, 0) + count
    return codes


def _copied(minute: Minute) -> Minute:
    """Returns a copy of the present minute, which goes on while the page is written."""
    seconds = Histogram()
    seconds.counts, seconds.total_s = list(minute.seconds.counts), minute.seconds.total_s
    return replace(minute, seconds=seconds)
