"""What a scrape shows, copied on the event loop in small pieces, so that a thread can write it."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from bridge.callers.access import Access
from bridge.counters import Counters, Totals
from bridge.features.stores.stores import Stores
from bridge.fronts.front import Front
from bridge.gateway.holds import Holds
from bridge.layers.shares import Shares
from bridge.models.registry import Registry
from bridge.models.version import Version
from bridge.prediction_log.writer import PredictionLog
from bridge.texts import brief
from bridge.workers.snapshot import Snapshot

__all__ = ["LogReading", "Measured", "Reading", "VersionReading", "read"]

_SLICE = 25  # versions that are copied in one turn of the event loop: less than a millisecond
_MOST_TEXT = 64  # characters of a label's value that a settings file or a model's engine gives


class Measured(NamedTuple):
    """What a gateway has that metrics are read from.

    Attributes:
        registry: its versions.
        counters: what it counts of its calls.
        inflight: the bytes of requests that it holds.
        holds: the measured holds of its event loop.
        log: its prediction log; None if it keeps none.
        stores: where features are looked up by key.
        front: its gRPC server.
        access: who may call.
        ready: whether calls should be sent to it.
    """

    registry: Registry
    counters: Counters
    inflight: Shares
    holds: Holds
    log: PredictionLog | None
    stores: Stores
    front: Front
    access: Access
    ready: Callable[[], bool]


class VersionReading(NamedTuple):
    """What was read of one version.

    Attributes:
        model: the name of its model.
        version: its number, as text.
        digest: its digest; empty while it is not known.
        engine: the program that computes its scores, shortened; empty while it is not loaded.
        state: its state, in lower case.
        serving: whether it serves.
        totals: what was counted of its calls; None if it had none.
        circuit: the state of its circuit; None while it is not loaded.
        pending_rows: the rows that it has let in and not answered.
        running: its executions that are going on.
        pool: the state of its worker processes; None if it has none.
    """

    model: str
    version: str
    digest: str
    engine: str
    state: str
    serving: bool
    totals: Totals | None
    circuit: str | None
    pending_rows: int
    running: int
    pool: Snapshot | None


class LogReading(NamedTuple):
    """What was read of the prediction log: records and bytes that were written, and what was not.

    Attributes:
        records: the records that were written.
        size: their bytes.
        lag_s: the age of the oldest record that is not synced, in seconds.
        lost: the records that could not be written.
        suspect: the segments that may not be on the disk.
        unshipped: the segments that were removed before they were shipped.
    """

    records: int
    size: int
    lag_s: float
    lost: int
    suspect: int
    unshipped: int


class Reading(NamedTuple):
    """What one scrape shows.

    Attributes:
        versions: all versions.
        refusals: the requests that were refused before they became a call, by reason.
        log: the prediction log; None if none is kept.
        stores: whether each store is up, by its name, shortened.
        gauges: the other numbers, by the names of their metrics.
    """

    versions: list[VersionReading]
    refusals: dict[str, int]
    log: LogReading | None
    stores: dict[str, bool]
    gauges: dict[str, float]


async def read(measured: Measured) -> Reading:
    """Copies what a scrape shows; must be called on the event loop, and lets it go on after every few versions."""
    known = iter(measured.registry.versions())
    versions: list[VersionReading] = []
    while piece := list(_read_versions(measured, islice(known, _SLICE))):
        versions += piece
        await asyncio.sleep(0)
    stores: dict[str, bool] = {}
    for name, state in measured.stores.states.items():
        shown = brief(name, _MOST_TEXT)  # two names may be alike up to there
        stores[shown] = stores.get(shown, True) and not state
    log = measured.log
    return Reading(
        versions=versions,
        refusals=dict(measured.counters.refusals),
        log=None if log is None else _read_log(log),
        stores=stores,
        gauges=_read_gauges(measured, versions),
    )


def _read_log(log: PredictionLog) -> LogReading:
    written = log.written
    return LogReading(written.records, written.size, written.lag_s(), log.lost, written.suspect, log.unshipped)


def _read_gauges(measured: Measured, versions: list[VersionReading]) -> dict[str, float]:
    return {
        "scorebridge_resident_versions": sum(one.state == "ready" for one in versions),
        "scorebridge_ready": measured.ready(),
        "scorebridge_inflight_bytes": measured.inflight.held,
        "scorebridge_inflight_limit_bytes": measured.inflight.most,
        "scorebridge_loop_lag_seconds": measured.holds.late_s(),
        "scorebridge_loop_longest_hold_seconds": measured.holds.longest_s(),
        "scorebridge_hanging_reads": sum(measured.registry.hanging().values()),
        "scorebridge_certificate_fault": bool(measured.front.tls_fault),
        "scorebridge_callers_fault": bool(measured.access.fault),
    }


def _read_versions(measured: Measured, versions: Iterator[Version]) -> Iterator[VersionReading]:
    counted, registry = measured.counters.versions, measured.registry
    for version in versions:
        stored, accepted, stack = version.stored, version.accepted, version.stack
        counters = counted.get((stored.model, stored.version))
        workload = None if accepted is None else accepted.backend.workload
        yield VersionReading(
            model=stored.model,
            version=str(stored.version),
            digest=version.ref.digest,
            engine=brief(version.engine, _MOST_TEXT),
            state=version.state.lower(),
            serving=registry.serving(stored.model) is version,
            totals=None if counters is None else counters.totals(),
            circuit=None if stack is None else str(stack.circuit.state),
            pending_rows=0 if workload is None else workload.pending_rows,
            running=0 if workload is None else workload.running,
            pool=None if accepted is None else accepted.backend.snapshot(),
        )
