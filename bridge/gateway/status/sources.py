"""Where the status page's facts come from: they are copied on the event loop, quickly, and written elsewhere."""

import socket
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from bridge.backends import Backend
from bridge.callers.access import Access
from bridge.calls import now
from bridge.config import GatewaySettings
from bridge.counters import Counters, Histogram, Minute
from bridge.features.stores.stores import Stores
from bridge.fronts.front import Front
from bridge.gateway.holds import Holds
from bridge.gateway.pages import Pages
from bridge.gateway.status.disk import Disk
from bridge.gateway.status.drift import Drift, DriftSource
from bridge.gateway.status.facts import Facts, LogFacts, VersionFacts, Workers
from bridge.layers.shares import Shares
from bridge.models.registry import Registry
from bridge.models.version import Version
from bridge.prediction_log.writer import PredictionLog
from bridge.workers.snapshot import Snapshot

__all__ = ["Sources"]


class _Pool(Protocol):
    def snapshot(self) -> Snapshot: ...


@runtime_checkable
class _Pooled(Protocol):
    """A backend with processes; it is not named here, as that would load R's part of the bridge."""

    pool: _Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The parts of a gateway that the page tells of.

    Attributes:
        settings: its settings.
        registry: its versions.
        pages: its other pages.
        front: its gRPC server.
        access: who may call.
        counters: what is counted of its calls.
        inflight: the bytes of unanswered requests.
        holds: the measured holds of its event loop.
        log: its prediction log; None if it keeps none.
        stores: where features are looked up by key.
        drift: what computes drift; None if nothing does.
    """

    settings: GatewaySettings
    registry: Registry
    pages: Pages
    front: Front
    access: Access
    counters: Counters
    inflight: Shares
    holds: Holds
    log: PredictionLog | None
    stores: Stores
    drift: DriftSource | None = None

    def facts(self, disk: Disk) -> Facts:
        """Returns the facts of this moment; `disk`: what was found of the log's disk."""
        registry, access, pages = self.registry, self.access, self.pages
        minute = int(now() // 60)
        return Facts(
            at=datetime.now(UTC),
            minute=minute,
            host=socket.gethostname(),
            ready=pages.ready(),
            decided=pages.decided,
            draining=pages.draining,
            faults=tuple(self._faults()),
            unknown_callers=access.refused,
            refusals=dict(self.counters.refusals),
            hanging=registry.hanging(),
            unloaded=tuple(sorted(registry.unloaded)),
            stores=self.stores.states,
            held_s=self.holds.longest_s(),
            inflight_bytes=self.inflight.held,
            most_inflight_bytes=self.settings.max_inflight_bytes,
            log=self._log_facts(disk),
            drift=Drift.of(self.drift),
            notes=tuple(pages.notes),
            versions=tuple(self._version_facts(one, minute) for one in registry.versions()),
        )

    def _faults(self) -> list[str]:
        faults = []
        if self.front.tls_fault:
            faults.append(f"{self.front.tls_fault}; new connections still get the last certificate that was correct")
        if self.access.fault:
            faults.append(f"{self.access.fault}; the last callers that were valid may still call, and no others")
        return faults

    def _log_facts(self, disk: Disk) -> LogFacts | None:
        if self.log is None:
            return None
        return LogFacts(
            folder=str(self.settings.log_dir),
            lost=self.log.lost,
            refuses=self.settings.log_on_failure == "refuse",
            fault=disk.fault,
            free_bytes=disk.free_bytes,
            disk_bytes=disk.disk_bytes,
            bytes=disk.log_bytes,
            segments=disk.segments,
        )

    def _version_facts(self, version: Version, minute: int) -> VersionFacts:
        model, number = version.stored.model, version.stored.version
        facts = VersionFacts(
            model,
            number,
            version.state,
            serving=self.registry.serving(model) is version,
            never_scored=version.ready and version.never_scored,
            reason=version.reason,
            retry_at=version.retry_at,
            digest=version.ref.digest,
        )
        counted = self.counters.versions.get((model, number))
        if counted is not None:
            rows, codes = dict(counted.default_rows), _by_code(counted.calls)
            facts = replace(facts, minutes=_settled(counted.minutes, minute), default_rows=rows, codes=codes)
        accepted, stack = version.accepted, version.stack
        if accepted is None or stack is None:
            return facts
        return replace(
            facts,
            engine=accepted.description.engine,
            circuit=stack.circuit.state,
            workers=_workers(accepted.backend),
            pending_rows=accepted.backend.workload.pending_rows,
        )


def _workers(backend: Backend) -> Workers:
    if not isinstance(backend, _Pooled):
        workload = backend.workload
        busy, settling = workload.running, workload.occupied
        return Workers(max(0, workload.workers - busy - settling), busy, settling)
    seen = backend.pool.snapshot()
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


def _settled(minutes: Iterable[Minute], present: int) -> tuple[Minute, ...]:
    """Returns the minutes with a copy of the present one, which goes on while the page is written."""
    return tuple(_copied(one) if one.number == present else one for one in minutes)


def _copied(minute: Minute) -> Minute:
    seconds = Histogram()
    seconds.counts, seconds.total_s = list(minute.seconds.counts), minute.seconds.total_s
    copied = copy(minute)
    copied.seconds = seconds
    return copied
