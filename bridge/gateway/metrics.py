"""The page /metrics of the HTTP port: what a gateway counts and measures, as text that Prometheus reads."""

import asyncio
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from importlib.metadata import version as version_of
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from bridge.calls import now
from bridge.counters import SECONDS
from bridge.errors import PermissionDenied
from bridge.gateway.metric_reading import LogReading, Measured, Reading, VersionReading, read
from bridge.gateway.metric_table import METRICS, REFUSALS, ROW_SOURCES, WORKER_STATES
from bridge.layers.circuit import CircuitState
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route, problem_of
from bridge.workers.snapshot import Snapshot

__all__ = ["Metrics", "write_metrics"]

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STRANGERS_S = 1.0  # for so long strangers get one text, so that they can't keep a thread at work with it
_BOUNDS = (*map(str, SECONDS), "+Inf")
_REFUSED = (
    "the metrics are for callers with the role operate, and for this machine under its own name or an address; "
    "metrics_open = true shows them to everybody"
)
# Nothing of it is registered anywhere: it reads /proc/self when a text is made.
_PROCESS = ProcessCollector(registry=None)


class Metrics:
    """The page /metrics, made anew for each scrape; scrapes that come together share one text.

    Args:
        measured: what the gateway has that metrics are read from.
        may_see: whether whoever sent a request may see names.
        is_open: whether everybody may read the page.
    """

    def __init__(self, measured: Measured, may_see: Callable[[HttpRequest], bool], *, is_open: bool) -> None:
        self._measured = measured
        self._may_see = may_see
        self._is_open = is_open
        self._one = asyncio.Lock()
        self._begun = -math.inf
        self._text = b""

    def routes(self) -> list[Route]:
        """Returns the page's route for the HTTP port."""
        return [Route("GET", "/metrics", self._show)]

    def probes(self) -> list[Route]:
        """Returns the page's route for a port that shows no names to anybody; none unless everybody may read it."""
        return self.routes() if self._is_open else []

    async def _show(self, request: HttpRequest) -> HttpAnswer:
        known = self._may_see(request)
        if not known and not self._is_open:
            self._measured.counters.refused(PermissionDenied.reason)
            return problem_of(PermissionDenied(_REFUSED))
        text = await self._made_since(now() - (0 if known else _STRANGERS_S))
        return HttpAnswer(HTTPStatus.OK, text, _CONTENT_TYPE)

    async def _made_since(self, oldest: float) -> bytes:
        """Returns a text that was begun at this instant or later."""
        async with self._one:
            if self._begun < oldest:
                begun = now()
                reading = await read(self._measured)
                self._text = await asyncio.to_thread(write_metrics, reading)
                self._begun = begun
            return self._text


def write_metrics(reading: Reading) -> bytes:
    """Returns a reading as text, with what the system says of this process; for a thread, as it takes a while."""
    registry = CollectorRegistry()
    registry.register(_Collected(reading))
    registry.register(_PROCESS)
    return generate_latest(registry)


class _Collected(Collector):
    """The metrics of one reading."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """Called by the library: yields all metrics, in the order of their table; those without a value left out."""
        made = {name: _family(name) for name in METRICS}
        for version in self._reading.versions:
            _add_version(made, version)
        _add_counts(made["scorebridge_refusals_total"], [], dict.fromkeys(REFUSALS, 0) | self._reading.refusals)
        if self._reading.log is not None:
            _add_log(made, self._reading.log)
        for store, up in self._reading.stores.items():
            made["scorebridge_store_up"].add_metric([store], up)
        for name, number in self._reading.gauges.items():
            made[name].add_metric([], number)
        made["scorebridge_build_info"].add_metric([_own_version(), platform.python_version()], 1)
        yield from (family for family in made.values() if family.samples)


def _family(name: str) -> Any:
    metric = METRICS[name]
    if metric.kind == "counter":
        return CounterMetricFamily(name, metric.meaning, labels=metric.labels)
    if metric.kind == "gauge":
        return GaugeMetricFamily(name, metric.meaning, labels=metric.labels)
    if metric.kind == "summary":
        return SummaryMetricFamily(name, metric.meaning, labels=metric.labels)
    return HistogramMetricFamily(name, metric.meaning, labels=metric.labels)


# Numbers that can be named beforehand are shown as 0 too: how fast one grows is known only from its second scrape on.
def _add_version(made: Mapping[str, Any], version: VersionReading) -> None:
    labels = [version.model, version.version]
    told = [*labels, version.digest, version.engine, version.state]
    made["scorebridge_version_info"].add_metric(told, 1)
    made["scorebridge_version_serving"].add_metric(labels, version.serving)
    if version.totals is not None:
        totals = version.totals
        for (wire, code), count in totals.calls.items():
            made["scorebridge_calls_total"].add_metric([*labels, wire, code], count)
        _add_counts(made["scorebridge_rows_total"], labels, dict.fromkeys(ROW_SOURCES, 0) | totals.rows)
        _add_counts(made["scorebridge_default_rows_total"], labels, totals.default_rows)
        _add_counts(made["scorebridge_failed_rows_total"], labels, totals.failed_rows)
        _add_times(made["scorebridge_call_seconds"], labels, *totals.call_s)
        _add_times(made["scorebridge_queue_seconds"], labels, *totals.queue_s)
        _add_times(made["scorebridge_backend_seconds"], labels, *totals.backend_s)
    if version.circuit is not None:
        for state in CircuitState:
            made["scorebridge_circuit_state"].add_metric([*labels, state], version.circuit == state)
        made["scorebridge_pending_rows"].add_metric(labels, version.pending_rows)
        made["scorebridge_running_executions"].add_metric(labels, version.running)
    if version.pool is not None:
        _add_pool(made, labels, version.pool)


def _add_counts(family: Any, labels: Sequence[str], counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        family.add_metric([*labels, name], count)


def _add_times(family: Any, labels: Sequence[str], counts: Sequence[int], total_s: float) -> None:
    family.add_metric(labels, list(zip(_BOUNDS, accumulate(counts), strict=True)), total_s)


def _add_pool(made: Mapping[str, Any], labels: Sequence[str], pool: Snapshot) -> None:
    for state in WORKER_STATES:
        made["scorebridge_workers"].add_metric([*labels, state], getattr(pool, state))
    made["scorebridge_waiting_executions"].add_metric(labels, pool.waiting)
    made["scorebridge_lease_wait_seconds"].add_metric(labels, pool.leases, pool.waits_s)
    made["scorebridge_replaced_workers_total"].add_metric(labels, pool.replaced)
    made["scorebridge_overrun_workers_total"].add_metric(labels, pool.overrun)


def _add_log(made: Mapping[str, Any], log: LogReading) -> None:
    made["scorebridge_log_records_total"].add_metric([], log.records)
    made["scorebridge_log_bytes_total"].add_metric([], log.size)
    made["scorebridge_log_lag_seconds"].add_metric([], log.lag_s)
    made["scorebridge_log_failures_total"].add_metric([], log.lost)
    made["scorebridge_log_suspect_segments_total"].add_metric([], log.suspect)
    made["scorebridge_log_unshipped_segments_total"].add_metric([], log.unshipped)


@cache
def _own_version() -> str:
    return version_of("scorebridge-gateway")
