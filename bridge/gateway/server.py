"""One gateway from its start to its end: binds, loads, serves, drains and closes."""

import asyncio
import gc
import os
import socket
import uuid
from contextlib import nullcontext

from grpc_health.v1 import health_pb2

from bridge.bundles.repository import Repository
from bridge.config import GatewaySettings
from bridge.events import RUNS_AS_ROOT
from bridge.features.stores.stores import open_stores
from bridge.fronts.address import with_port
from bridge.fronts.front import Front
from bridge.fronts.http_port import HttpPort
from bridge.gateway.drift import DriftWatch
from bridge.gateway.holds import Holds
from bridge.gateway.metric_reading import Measured
from bridge.gateway.metrics import Metrics
from bridge.gateway.pages import Pages
from bridge.gateway.rights import AS_ROOT, require_rights, worker_user_of
from bridge.gateway.services import SERVICES, Services
from bridge.gateway.start_check import no_repository
from bridge.gateway.status.page import StatusPage
from bridge.gateway.status.sources import Sources
from bridge.layers.drain import Drain
from bridge.models.registry import Registry
from bridge.own_log import OwnLog
from bridge.prediction_log.environment import describe_environment
from bridge.prediction_log.recorder import LogRecorder
from bridge.prediction_log.writer import PredictionLog
from bridge.services.http_calls import Route
from bridge.tracing import open_tracing
from bridge.workers.programs import Programs

__all__ = ["Gateway"]

_log = OwnLog(__name__)

_LAST_ANSWERS_S = 0.5  # time for the last default scores to leave after the grace is over
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Gateway:
    """One gateway process: the gRPC and HTTP ports, the health service, and the registry of versions behind them.

    Attributes:
        registry: the gateway's versions.
        pages: the pages of its HTTP port.
        grpc_address: "host:port" of the gRPC port; empty until `start` has bound it.
        http_address: "host:port" of the HTTP port; empty until `start` has bound it.
        probe_address: "host:port" of the port for probes; empty until `start` has bound it, or if there is none.
    """

    _grace_ends = 0.0  # on the loop's clock; begins with the drain

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._drain = Drain()
        self._holds = Holds()
        self._log, self._stores = _make_log(settings), open_stores(settings.stores)
        self._worker_user = worker_user_of(settings)
        self._recorder = None if self._log is None else LogRecorder(self._log, settings.log_refusals_per_s)
        self.registry = Registry(
            Repository(settings.repository),
            self._update_health,
            self._drain,
            settings.cache_dir,
            programs=Programs(pythons=settings.pythons, user=self._worker_user),
            stores=self._stores,
            log_model_messages=settings.log_model_messages,
        )
        self.grpc_address = self.http_address = self.probe_address = ""
        self._health_updates: set[asyncio.Task[None]] = set()
        self._watches: list[asyncio.Task[None]] = []
        self._drift_watch = DriftWatch(settings, self.registry)
        self._services = services = Services(settings, self.registry, self._recorder, lambda: self.pages.ready())  # noqa: PLW0108 - made below
        group = nullcontext if self._log is None else self._log.group
        self._front = Front(settings, services.methods, SERVICES, group, refused=services.answering.counters.refused)
        self.pages = self._pages()
        self._status, metrics, probe = self._status_page(), self._metrics(), settings.probe_port
        pages = [self._status.route(), *self.pages.routes(), *metrics.routes()]
        self._http = self._http_port(settings.http_port, [*pages, *services.routes])
        self._probe = None if probe is None else self._http_port(probe, [*self.pages.probes(), *metrics.probes()])

    def _pages(self) -> Pages:
        services = self._services
        return Pages(
            self.registry,
            front=self._front,
            intake=services.intake,
            access=services.access,
            holds=self._holds,
            log=self._log,
            stores=self._stores,
        )

    def _metrics(self) -> Metrics:
        services = self._services
        measured = Measured(
            registry=self.registry,
            counters=services.answering.counters,
            inflight=services.inflight,
            holds=self._holds,
            log=self._log,
            stores=self._stores,
            front=self._front,
            access=services.access,
            ready=self.pages.ready,
        )
        return Metrics(measured, self.pages.may_see, is_open=self._settings.metrics_open)

    def _status_page(self) -> StatusPage:
        drift = self._drift_watch if self._drift_watch.measures else None
        parts = self._holds, self._log, self._stores, drift
        return StatusPage(Sources(self._settings, self.registry, self.pages, self._services, *parts))

    def _http_port(self, port: int, routes: list[Route]) -> HttpPort:
        services = self._services
        refused = services.answering.counters.refused
        return HttpPort(self._settings, port, routes, services.access, services.inflight, refused=refused)

    @property
    def front_note(self) -> str:
        """The end of the line `ready …`: a warning that the native front is not bounded; empty for grpc.aio."""
        unbounded = " front=native (does not bound what it receives: see docs/security.md)"
        return unbounded if self._front.name == "native" else ""

    async def start(self) -> None:
        """Binds both ports; from then on calls are answered, with default scores while their models load.

        Raises:
            ConfigError: a port can't be bound, a TLS file is wrong, the repository is not a folder, or the user of R
                workers has rights that it must not have.
        """
        if not await self.registry.is_there():
            raise no_repository(self._settings.repository)
        self._holds.start()
        await asyncio.to_thread(_sweep)
        if self._log is not None:
            await asyncio.to_thread(self._log.open)
            self._log.start()
        await self._settle_rights()
        await self._stores.start()
        self._drift_watch.start()
        self._services.answering.tracing = await asyncio.to_thread(open_tracing)
        watch = self._services.access.watch(self._settings.watch_interval_s)
        self._watches.append(asyncio.get_running_loop().create_task(watch))
        await self.registry.discover()
        host = self._settings.host
        for name in ("", *SERVICES):
            await self._services.health.states.set(name, _NOT_SERVING)
        self.grpc_address = with_port(host, await self._front.start())
        self.http_address = await self._http.start(self._front.tls_context)
        if self._probe is not None:
            self.probe_address = await self._probe.start()

    async def _settle_rights(self) -> None:
        if self._worker_user is not None:
            await asyncio.to_thread(require_rights, self._settings, self._worker_user)
        elif os.geteuid() == 0:
            _log.say(RUNS_AS_ROOT, note=AS_ROOT)
            self.pages.notes.append(AS_ROOT)

    async def load(self) -> None:
        """Loads the versions that are to be resident, and begins to watch the repository for changes.

        Returns when every version has been loaded, refused or set to wait.
        """
        await self.registry.refresh()
        watch = self.registry.watch(self._settings.watch_interval_s)
        self._watches.append(asyncio.get_running_loop().create_task(watch))
        # Objects that exist by now stay: a full garbage collection of them would stall every call for milliseconds.
        gc.collect()
        gc.freeze()
        self._holds.start()  # begins anew, because no call had to wait for this collection
        self.pages.decided = True
        for model in self.registry.models() or [""]:
            self._update_health(model)
        await asyncio.gather(*self._health_updates)

    async def drain(self) -> None:
        """Takes no new calls, and lets calls under way finish within the grace; the rest then get default scores."""
        self.pages.draining = True
        self._grace_ends = asyncio.get_running_loop().time() + self._settings.grace_s
        await self._services.health.states.enter_graceful_shutdown()
        await self.registry.end_retries()
        stopping = asyncio.get_running_loop().create_task(self._stop_calls(self._settings.grace_s + _LAST_ANSWERS_S))
        try:
            await asyncio.wait({stopping}, timeout=self._settings.grace_s)
        finally:
            self._drain.end()
        await stopping

    async def _stop_calls(self, grace_s: float) -> None:
        await asyncio.gather(self._front.stop(grace_s), self._http.drain(grace_s))

    async def close(self) -> None:
        """Ends every call, process and connection at once; may be called more than once."""
        self.pages.draining = True
        self._drain.end()
        for watch in self._watches:
            watch.cancel()
            await asyncio.wait({watch})
        await self._drift_watch.close()
        await self._front.stop(_LAST_ANSWERS_S)
        await self._http.close()
        if self._probe is not None:
            await self._probe.close()
        self._holds.stop()
        await self.registry.close()
        await self._stores.close()
        await asyncio.gather(*self._health_updates)
        if self._recorder is not None:
            await self._recorder.close()
        if self._log is not None:
            await self._log.close()
        if (tracing := self._services.answering.tracing) is not None:
            await tracing.close(self._grace_ends)

    def _update_health(self, model: str) -> None:
        known = {(version.stored.model, version.stored.version) for version in self.registry.versions()}
        self._services.answering.counters.keep(known)
        task = asyncio.get_running_loop().create_task(self._set_health(model))
        self._health_updates.add(task)
        task.add_done_callback(self._health_updates.discard)

    async def _set_health(self, model: str) -> None:
        if model:
            await self._services.health.states.set(model, _SERVING if self.registry.serving(model) else _NOT_SERVING)
        for name in ("", *SERVICES):
            await self._services.health.states.set(name, _SERVING if self.pages.ready() else _NOT_SERVING)


def _sweep() -> None:
    from bridge.private_folders import sweep  # noqa: PLC0415 - it loads psutil, which only the start needs

    sweep()


def _make_log(settings: GatewaySettings) -> PredictionLog | None:
    if settings.log_dir is None:
        return None
    gateway_id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4()}"
    return PredictionLog(settings.log_dir, settings, gateway_id, describe_environment())
