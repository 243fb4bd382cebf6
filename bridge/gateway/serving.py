"""Runs a gateway until a signal ends it, and says on the way what its operator waits for."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bridge.config import GatewaySettings
from bridge.events import DRAINING
from bridge.gateway.heap import join_heaps
from bridge.gateway.server import Gateway
from bridge.models.version import State
from bridge.own_log import OwnLog
from bridge.threads import prestarted

__all__ = ["serve"]

_log = OwnLog(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SWITCH_INTERVAL_S = 0.0005  # how long a background thread may keep the interpreter while an answer waits for it


async def serve(settings: GatewaySettings, tell: Callable[[str], None]) -> None:
    """Runs a gateway until SIGTERM or SIGINT.

    The first signal drains the gateway: health says NOT_SERVING, calls under way may finish within the grace, and the
    rest get default scores. The second signal ends it at once. Further signals are ignored.

    Args:
        settings: the gateway's settings.
        tell: called with each line to show: `refused MODEL/VERSION: reason` for each version that may not serve,
            `waiting MODEL/VERSION: reason` for each that is tried again, then `ready grpc=… http=…`.

    Raises:
        ConfigError: the gateway could not start.
    """
    loop, stop, hurry = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def note_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, note_signal)
    _settle_threads(loop)
    gateway = Gateway(settings)
    try:
        await gateway.start()
        if await _first(_load(gateway, tell), stop.wait()):
            await stop.wait()
        _log.say(DRAINING, seconds=settings.grace_s)
        await _first(gateway.drain(), hurry.wait())
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # later signals must not change the exit code 0
        await gateway.close()
        gc.unfreeze()  # or libraries would say at the end that their objects are left, between the lines of the log


def _settle_threads(loop: asyncio.AbstractEventLoop) -> None:
    """Has the event loop start now the threads that it would start, and wait for, whenever work comes."""
    join_heaps()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    loop.set_default_executor(prestarted(min(32, (os.cpu_count() or 1) + 4)))  # as many as asyncio would have
    if sys.version_info < (3, 12):  # whose loop has a thread for every child process; later ones need none
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(loop)
        asyncio.set_child_watcher(watcher)


async def _first(work: Coroutine[Any, Any, None], end: Coroutine[Any, Any, Any]) -> bool:
    """Runs `work` until it is done or `end` is, cancels the other one, and returns whether `work` was done."""
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
    probe = f" probe={gateway.probe_address}" if gateway.probe_address else ""
    tell(f"ready grpc={gateway.grpc_address} http={gateway.http_address}{probe}{gateway.front_note}")
