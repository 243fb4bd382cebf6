"""An Rserve that misbehaves on the wire: it never greets, greets half, answers late, or with a lie."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from scorebridge import Source
from sick import Sick, StartSick
from waiting import eventually

from bridge.backends.rserve import process as rserve_process
from bridge.backends.rserve.process import RserveProcess
from bridge.models.version import State
from bridge.testing.fault_proxy import Fault, FaultProxy


class Proxies:
    """One proxy for each Rserve that is started, all with the same fault."""

    def __init__(self) -> None:
        self.made: dict[Path, FaultProxy] = {}
        self.fault = Fault.NONE

    def set(self, fault: Fault) -> None:
        """From now on."""
        self.fault = fault
        for proxy in self.made.values():
            proxy.fault = fault


def _proxy_of(process: RserveProcess) -> Path:
    """The proxy's socket, from when there is something behind it."""
    real = process.folder / "work" / "socket"
    return process.folder / "proxy" if real.exists() else real


@pytest_asyncio.fixture
async def proxies(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxies]:
    """Puts a proxy between the gateway and every Rserve."""
    found = Proxies()
    start = RserveProcess.start.__func__  # type: ignore[attr-defined] # a classmethod's function

    async def started(*args: object, **kwargs: object) -> RserveProcess:
        process: RserveProcess = await start(RserveProcess, *args, **kwargs)
        proxy = FaultProxy(process.folder / "proxy", process.folder / "work" / "socket")
        proxy.fault = found.fault
        found.made[process.folder] = await proxy.__aenter__()
        return process

    monkeypatch.setattr(rserve_process.RserveProcess, "start", started)
    monkeypatch.setattr(rserve_process.RserveProcess, "socket", property(_proxy_of))
    yield found
    for proxy in found.made.values():
        await proxy.__aexit__(None, None, None)


@pytest_asyncio.fixture
async def proxied(proxies: Proxies, start_sick: StartSick) -> AsyncIterator[Sick]:
    proxies.set(Fault.NONE)
    sick = await start_sick()
    yield sick
    await sick.gateway.close()


@pytest.mark.parametrize("fault", [Fault.WRONG_LENGTH, Fault.WRONG_ID, Fault.HALF_REPLY])
async def test_a_worker_that_lies_is_lost_and_its_call_has_its_default(
    proxies: Proxies, proxied: Sick, fault: Fault
) -> None:
    before = proxied.workers()
    proxies.set(fault)
    answer = await proxied.call("score", [1.0, 2.0])
    assert answer.reasons == ["WORKER_LOST"] * 2
    assert answer.attempts == 2
    proxies.set(Fault.NONE)
    # A worker that was started before the fault ended was lied to as well: it is given up after 10 s, with its parent.
    await proxied.recovers(before, timeout_s=90)


async def test_a_late_answer_never_reaches_the_next_call(proxies: Proxies, proxied: Sick) -> None:
    before = proxied.workers()
    proxies.set(Fault.LATE)
    for x in (1.0, 2.0):
        assert (await proxied.call("score", [x], timeout_s=0.3)).reasons == ["DEADLINE"]
    proxies.set(Fault.NONE)
    for proxy in proxies.made.values():
        proxy.let_go.set()
    for x in (3.0, 4.0, 5.0):
        answer = await proxied.call("score", [x])
        assert (answer.source, answer.scores.tolist()) == (Source.MODEL, [2 * x])
    assert proxied.workers() == before


async def _kill_whoever_naps(sick: Sick) -> None:
    await eventually(lambda: sick.snapshot().leased)
    (busy,) = sick.snapshot().pids - sick.snapshot().idle_pids
    os.kill(busy, signal.SIGKILL)


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.HALF_GREETING])
async def test_a_worker_that_never_greets_holds_up_no_other(proxies: Proxies, proxied: Sick, fault: Fault) -> None:
    proxies.set(fault)
    before = proxied.workers()
    call = asyncio.create_task(proxied.call("nap", [0.3]))
    await _kill_whoever_naps(proxied)
    assert (await call).source is Source.MODEL
    assert (await proxied.call("score", [3.0])).source is Source.MODEL
    assert len(proxied.workers() & before) == 1
    call = asyncio.create_task(proxied.call("nap", [5.0], timeout_s=1))
    await _kill_whoever_naps(proxied)
    assert (await call).reasons[0] in ("DEADLINE", "WORKER_LOST")
    proxies.set(Fault.NONE)
    await eventually(lambda: len(proxied.workers()) == 2, timeout_s=40)
    await proxied.recovers(before)


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.HALF_GREETING])
async def test_a_version_whose_rserve_never_greets_is_put_off_in_time(
    proxies: Proxies, start_sick: StartSick, fault: Fault
) -> None:
    proxies.set(fault)
    sick = await start_sick("load_timeout_s = 1")
    (version,) = sick.gateway.registry.versions("sick")
    assert (version.state, version.reason) == (State.WAITING, "the bundle was not loaded within 1 s (load_timeout_s)")
    await sick.gateway.close()
