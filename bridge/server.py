"""The gateway's life: bind, load, serve, drain, end."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any

from grpc_health.v1 import health, health_pb2

from bridge.address import with_port
from bridge.config import ConfigError, GatewaySettings
from bridge.environment import describe_environment
from bridge.front import Front, Methods, add_health_and_reflection
from bridge.holds import Holds
from bridge.http_port import HttpPort, Page
from bridge.layers.drain import Drain
from bridge.model_messages import format_instant
from bridge.prediction_log.retention import LogSettings
from bridge.prediction_log.writer import PredictionLog
from bridge.recorder import LogRecorder
from bridge.registry import Registry
from bridge.repository import Repository
from bridge.service import SERVICE, ScoringService
from bridge.version import State

__all__ = ["Gateway", "serve"]

_log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SWITCH_INTERVAL_S = 0.0005  # how long a background thread may keep the interpreter while an answer is due
_LAST_ANSWERS_S = 0.5  # for default scores to leave, when the grace is over
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Gateway:
    """One gateway process: both ports, the health services, and the registry behind them.

    Attributes:
        registry: its versions.
        grpc_address: "host:port" once it is started.
        http_address: the same of /livez and /readyz.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._drain = Drain()
        self._holds = Holds()
        self._log = _make_log(settings)
        self._recorder = recorder = None if self._log is None else LogRecorder(self._log, settings.log_refusals_per_s)
        self.registry = Registry(
            Repository(settings.repository),
            self._update_health,
            self._drain,
            recorder,
            settings.cache_dir,
            log_model_messages=settings.log_model_messages,
        )
        self.grpc_address = self.http_address = ""
        servicers: Any = health  # its stubs don't know the asyncio half
        self._health = servicers.aio.HealthServicer()
        self._draining = False
        self._decided = False
        self._health_updates: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        methods = Methods()
        self._service = ScoringService(
            self.registry,
            recorder,
            max_columns=settings.max_columns,
            max_inflight_bytes=settings.max_inflight_bytes,
            by_certificate=settings.tls_client_ca is not None,
        )
        methods.add_registered_method_handlers(SERVICE, self._service.handlers())
        add_health_and_reflection(methods, self._health, SERVICE)
        self._front = Front(settings, methods, SERVICE, nullcontext if self._log is None else self._log.group)
        self._http = HttpPort(settings, {"/livez": self._show_live, "/readyz": self._show_ready})

    @property
    def front_note(self) -> str:
        """What the ready line ends with: nothing, or what the front can't hold."""
        unbounded = " front=native (does not bound what it receives: see docs/security.md)"
        return unbounded if self._front.name == "native" else ""

    async def start(self) -> None:
        """Binds both ports; calls are answered from here on, with defaults while their models load.

        Raises:
            ConfigError: a port can't be had, or the repository is no folder.
        """
        if not await self.registry.is_there():
            raise ConfigError(f"the repository {self._settings.repository} is not a folder")
        self._holds.start()
        await asyncio.to_thread(_sweep)
        if self._log is not None:
            await asyncio.to_thread(self._log.open)
            self._log.start()
        await self.registry.discover()
        host = self._settings.host
        await self._health.set("", _NOT_SERVING)
        self.grpc_address = with_port(host, await self._front.start())
        self.http_address = await self._http.start()

    async def load(self) -> None:
        """Loads what is to be resident; returns when every version is decided. From then on changes are followed."""
        await self.registry.refresh()
        self._watching = asyncio.get_running_loop().create_task(self.registry.watch(self._settings.watch_interval_s))
        # What is loaded by now stays: a full collection that walks through it would stall every call for milliseconds.
        gc.collect()
        gc.freeze()
        self._holds.start()  # anew: nobody waited for that
        self._decided = True
        for model in self.registry.models() or [""]:
            self._update_health(model)
        await asyncio.gather(*self._health_updates)

    async def drain(self) -> None:
        """Takes no new calls, and gives those under way the grace; what is left then gets its default scores."""
        self._draining = True
        await self._health.enter_graceful_shutdown()
        await self.registry.end_retries()
        stopping = asyncio.get_running_loop().create_task(self._front.stop(self._settings.grace_s + _LAST_ANSWERS_S))
        try:
            await asyncio.wait({stopping}, timeout=self._settings.grace_s)
        finally:
            self._drain.end()
        await stopping

    async def close(self) -> None:
        """Ends every call, process and connection at once; idempotent."""
        self._draining = True
        self._drain.end()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await self._front.stop(_LAST_ANSWERS_S)
        await self._http.close()
        self._holds.stop()
        await self.registry.close()
        await asyncio.gather(*self._health_updates)
        if self._recorder is not None:
            await self._recorder.close()
        if self._log is not None:
            await self._log.close()

    def _update_health(self, model: str) -> None:
        task = asyncio.get_running_loop().create_task(self._set_health(model))
        self._health_updates.add(task)
        task.add_done_callback(self._health_updates.discard)

    async def _set_health(self, model: str) -> None:
        if model:
            await self._health.set(model, _SERVING if self.registry.serving(model) else _NOT_SERVING)
        await self._health.set("", _SERVING if self._ready() else _NOT_SERVING)

    def _ready(self) -> bool:
        """At least one model is served, or there is none and that is known."""
        models = self.registry.models()
        served = any(self.registry.serving(model) for model in models)
        known = self._decided and not self.registry.hanging()
        return not self._draining and (served or (known and not models))

    def _show_live(self, _: bool) -> Page:
        return Page(HTTPStatus.OK, "ok\n")

    def _show_ready(self, here: bool) -> Page:
        """Names and reasons are for callers on this machine; others learn only whether to send calls."""
        ready = self._ready()
        text = self._readiness() if here else "ready\n" if ready else "not ready\n"
        return Page(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, text)

    def _readiness(self) -> str:
        lines = ["draining"] if self._draining else []
        if self._front.tls_fault:
            lines.append(f"{self._front.tls_fault}; the last certificate that was whole is served")
        if self._log is not None and self._log.lost:
            lines.append(f"prediction log: {self._log.lost} records were not written")
        for what, count in self.registry.hanging().items():
            lines.append(f"reading {what} hangs, {count} threads wait for it")
        if self._service.refused_by_bounds:
            lines.append(f"messages that held more than they may: {self._service.refused_by_bounds}")
        for version in self.registry.versions():
            serving = " serving" if self.registry.serving(version.stored.model) is version else ""
            until = "" if version.retry_at is None else f" until {format_instant(version.retry_at)}"
            reason = f": {version.reason}" if version.reason else ""
            unproven = ", never scored" if version.ready and version.never_scored else ""
            lines.append(f"{version.ref} {version.state.lower()}{serving}{unproven}{until}{reason}")
        held_ms = 1000 * self._holds.longest_s()
        lines.append(f"longest hold of the event loop in the last minute: {held_ms:.1f} ms")
        return "\n".join(lines) + "\n"


def _sweep() -> None:
    from bridge.leftovers import sweep  # noqa: PLC0415 - psutil is needed at the start alone

    sweep()


def _make_log(settings: GatewaySettings) -> PredictionLog | None:
    if settings.log_dir is None:
        return None
    kept = LogSettings(
        folder=settings.log_dir,
        fsync=settings.log_fsync,
        interval_s=settings.log_fsync_interval_s,
        on_failure=settings.log_on_failure,
        segment_bytes=settings.log_segment_bytes,
        segment_age_s=settings.log_segment_age_s,
        keep_s=settings.log_keep_s,
        keep_bytes=settings.log_keep_bytes,
    )
    gateway_id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4()}"
    return PredictionLog(kept, gateway_id, describe_environment())


async def serve(settings: GatewaySettings, tell: Callable[[str], None]) -> None:
    """Runs a gateway until SIGTERM or SIGINT.

    Args:
        settings: the gateway's.
        tell: gets `refused MODEL/VERSION: reason` for each bundle that is, `waiting MODEL/VERSION: reason` for each
            that is tried again, then one line `ready grpc=… http=…`.

    A first signal drains: health says NOT_SERVING, calls under way get the grace and then their default scores.
    A second one ends it at once; those after it are ignored.

    Raises:
        ConfigError: it could not start.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def note_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, note_signal)
    gateway = Gateway(settings)
    try:
        await gateway.start()
        if await _first(_load(gateway, tell), stop.wait()):
            await stop.wait()
        _log.info("draining")
        await _first(gateway.drain(), hurry.wait())
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # the loop's end is not the process's, and the exit code stays 0
        await gateway.close()


async def _first(work: Coroutine[Any, Any, None], end: Coroutine[Any, Any, Any]) -> bool:
    """Does the work until the end comes; whether the work was done before."""
    loop = asyncio.get_running_loop()
    working, ending = loop.create_task(work), loop.create_task(end)
    await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
    done = working.done()
    working.cancel()
    ending.cancel()
    await asyncio.wait({working, ending})
    if done:
        working.result()
    return done


async def _load(gateway: Gateway, tell: Callable[[str], None]) -> None:
    await gateway.load()
    for version in gateway.registry.versions():
        if version.state in (State.REFUSED, State.WAITING):
            tell(f"{version.state.lower()} {version.ref}: {version.reason}")
    tell(f"ready grpc={gateway.grpc_address} http={gateway.http_address}{gateway.front_note}")
