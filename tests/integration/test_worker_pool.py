"""Workers of real R: leased, cancelled, killed and replaced. Each call is R code, and what it gives is one number."""

import asyncio
import errno
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import pytest_asyncio
from fixtures import make_r_bundle
from waiting import eventually, runs

from bridge.backends.rserve.connection import RemoteError
from bridge.backends.rserve.header import OUT_OF_REPLY_SPACE
from bridge.backends.rserve.process import RserveProcess
from bridge.backends.rserve.rvalues import RInt, RList, RNull, RString, RValue
from bridge.backends.rserve.spawner import RserveSpawner
from bridge.backends.rserve.worker import Worker
from bridge.bundles.settings import ModelSettings
from bridge.calls import Trace, now
from bridge.eager import Waits, begin, resume
from bridge.errors import BundleError, PassingFailure
from bridge.workers.exchange import ConnectionLost
from bridge.workers.pool import NoWorker, WorkerPool
from bridge.workload import Workload

PREDICT = """
Pred.R <- function(code, ballast) eval(parse(text = code))
touch <- function(path) invisible(file.create(path))
await <- function(path) while (!file.exists(path)) Sys.sleep(0.002)
"""
PID = "Sys.getpid()"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_r_bundle(tmp_path_factory.mktemp("bundles") / "code", PREDICT)


Pool = WorkerPool[Worker]
Start = Callable[..., Awaitable[Pool]]


def make_pool(bundle: Path, workload: Workload | None = None, **settings: Any) -> Pool:
    chosen = ModelSettings.model_validate({"workers": 1, "kill_after_s": 30.0} | settings)
    spawner = RserveSpawner(bundle, "sha256:code", chosen, "code")
    return WorkerPool(spawner, "code", chosen, workload or Workload(chosen.workers))


@pytest_asyncio.fixture
async def start(bundle: Path) -> AsyncIterator[Start]:
    """Starts pools that are closed at the end of the test."""
    pools: list[Pool] = []

    async def start(**settings: Any) -> Pool:
        pools.append(make_pool(**({"bundle": bundle} | settings)))
        await pools[-1].start()
        return pools[-1]

    yield start
    for pool in pools:
        await pool.close()


def one_row(code: str, ballast: str = "") -> list[RValue]:
    return [RInt(np.array([1], np.int32)), RNull(), RList([RString([code]), RString([ballast])])]


async def ask(pool: Pool, code: str, ballast: str = "", trace: Trace | None = None) -> int:
    async with pool.lease(trace or Trace()) as worker:
        value = await worker.call(one_row(code, ballast))
    match value:
        case RList([RInt(), RString(), RList([RInt(answer)])]):
            return int(answer[0])
    raise AssertionError(f"R says {value}")


def asking(pool: Pool, code: str, trace: Trace | None = None) -> asyncio.Task[int]:
    return asyncio.create_task(ask(pool, code, trace=trace))


class Gate:
    """A call that tells when R has begun it, and goes on when it may."""

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self._begun = folder / f"{name}-begun"
        self._opened = folder / f"{name}-opened"

    def code(self, result: str) -> str:
        """The call's R code."""
        return f'{{ touch("{self._begun}"); await("{self._opened}"); {result} }}'

    async def begun(self) -> None:
        """Returns once R is in the call."""
        await eventually(self._begun.exists)

    def open(self) -> None:
        """Lets the call go on."""
        self._opened.touch()


async def all_idle(pool: Pool, count: int) -> frozenset[int]:
    await eventually(lambda: pool.snapshot().idle == len(pool.snapshot().pids) == count)
    return pool.snapshot().idle_pids


async def waiting(pool: Pool, count: int) -> None:
    await eventually(lambda: pool.snapshot().waiting == count)


def spawner(pool: Pool) -> RserveSpawner:
    assert isinstance(pool.spawner, RserveSpawner)
    return pool.spawner


def parent(pool: Pool) -> RserveProcess:
    found = spawner(pool).parent
    assert found is not None
    return found


async def parent_replaced(pool: Pool) -> RserveProcess:
    """Kills the parent, and gives it back once there is another."""
    old = parent(pool)
    os.kill(old.group.pid, signal.SIGKILL)
    await eventually(lambda: parent(pool) is not old and parent(pool).alive)
    return old


async def killed(pool: Pool, pids: AbstractSet[int]) -> None:
    """Kills workers all at once, and returns when the pool knows."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not pids & pool.snapshot().pids)


def sleepers(seconds: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.NoSuchProcess):
            if process.info["cmdline"] == ["sleep", seconds]:
                found.append(process.pid)
    return found


def pidfds() -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += "pidfd" in str(entry.readlink())
    return found


def folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("scorebridge-*"))


async def test_calls_at_once_are_on_different_workers(start: Start, tmp_path: Path) -> None:
    pool = await start(workers=2)
    gates = [Gate(tmp_path, name) for name in "ab"]
    calls = [asking(pool, gate.code(PID)) for gate in gates]
    # Neither can have waited for the other: both have begun before either may end.
    for gate in gates:
        await gate.begun()
    for gate in gates:
        gate.open()
    assert set(await asyncio.gather(*calls)) == await all_idle(pool, 2)


async def test_answers_are_those_of_their_own_questions(start: Start) -> None:
    pool = await start(workers=2)
    assert await asyncio.gather(*(ask(pool, f"{number}L") for number in range(60))) == list(range(60))


async def test_times_in_the_queue_and_at_work_are_told_apart(start: Start, tmp_path: Path) -> None:
    pool = await start()
    gate = Gate(tmp_path)
    running = asking(pool, gate.code("0L"))
    await gate.begun()
    trace = Trace()
    queued = asking(pool, "{ Sys.sleep(0.05); 1L }", trace)
    await waiting(pool, 1)
    began = now()
    await eventually(lambda: now() > began + 0.1)
    assert (trace.attempts, trace.sent) == (0, None)
    gate.open()
    await queued
    assert trace.attempts == 1
    assert trace.queue_s >= 0.1
    assert 0.05 <= trace.backend_s < 0.1
    assert await running == 0
    assert pool.snapshot().leases == 2
    assert pool.snapshot().waits_s == pytest.approx(trace.queue_s, abs=0.01)


async def test_a_call_cancelled_in_the_queue_costs_no_worker(start: Start, tmp_path: Path) -> None:
    pool = await start()
    gate = Gate(tmp_path)
    running = asking(pool, gate.code(PID))
    await gate.begun()
    queued = [asking(pool, f"{number}L") for number in range(3)]
    await waiting(pool, 3)
    queued[0].cancel()
    queued[2].cancel()
    gate.open()
    assert isinstance((await asyncio.gather(queued[0], return_exceptions=True))[0], asyncio.CancelledError)
    assert await queued[1] == 1
    assert {await running} == await all_idle(pool, 1)


async def test_a_call_cancelled_as_it_is_handed_a_worker_gives_it_back(start: Start) -> None:
    pool = await start()
    async with pool.lease(Trace()) as worker:
        queued = asking(pool, "1L")
        behind = asking(pool, "2L")
        await waiting(pool, 2)
    assert pool.snapshot().waiting == 1  # it was handed over, and nobody has run since
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    assert await behind == 2
    assert await all_idle(pool, 1) == {worker.pid}


async def test_a_call_that_ends_in_the_queue_before_it_is_in_a_task_costs_no_worker(start: Start) -> None:
    pool = await start()

    async def queued() -> None:
        async with pool.lease(Trace()):
            raise AssertionError

    async with pool.lease(Trace()) as worker:
        waits = begin(queued())
        assert isinstance(waits, Waits)
        with pytest.raises(asyncio.CancelledError):
            await resume(waits, asyncio.CancelledError())
    assert await all_idle(pool, 1) == {worker.pid}


async def test_a_cancelled_call_returns_at_once_and_its_worker_serves_again(start: Start, tmp_path: Path) -> None:
    workload = Workload(1)
    pool = await start(workload=workload)
    gate = Gate(tmp_path)
    running = asking(pool, gate.code("1L"))
    await gate.begun()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running  # although R is still in the call: nobody has opened the gate
    assert (workload.occupied, pool.snapshot().settling) == (1, 1)
    pids = pool.snapshot().pids
    following = asking(pool, "2L")
    await waiting(pool, 1)
    gate.open()
    assert await following == 2
    assert (workload.occupied, pool.snapshot().settling) == (0, 0)
    assert await all_idle(pool, 1) == pids


async def test_an_overrun_ends_the_worker_and_all_it_started(start: Start, tmp_path: Path) -> None:
    overruns: list[str] = []
    workload = Workload(1, on_overrun=lambda: overruns.append("overrun"))
    pool = await start(workload=workload, kill_after_s=0.3)
    begun = tmp_path / "begun"
    (pid,) = pool.snapshot().pids
    folder = parent(pool).worker_folder(pid)
    # A child that R waits for, one in the background, and one whose own parent is gone.
    code = f'system("sleep 1001.5 & (sleep 1002.5 &) ; touch {begun}; sleep 1003.5")'
    seconds = ("1001.5", "1002.5", "1003.5")
    running = asking(pool, code)
    await eventually(lambda: begun.exists() and all(sleepers(each) for each in seconds))
    assert folder.is_dir()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: not runs(pid))
    await eventually(lambda: not any(sleepers(each) for each in seconds))
    await eventually(lambda: not folder.exists())
    assert (overruns, workload.occupied) == (["overrun"], 0)
    assert await ask(pool, PID) != pid
    await all_idle(pool, 1)
    assert (pool.snapshot().overrun, pool.snapshot().replaced) == (1, 1)


@pytest.mark.parametrize("lacking", ["pidfd_open", "listdir"])
async def test_a_worker_is_killed_and_replaced_although_no_descriptor_is_free_to_look_for_what_it_started(
    start: Start, tmp_path: Path, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await start(kill_after_s=0.2)
    begun = tmp_path / "begun"
    (pid,) = pool.snapshot().pids
    running = asking(pool, f'system("touch {begun}; sleep 1004.5")')
    await eventually(lambda: begun.exists() and sleepers("1004.5"))

    def none_is_free(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, lacking, none_is_free)
        running.cancel()
        await asyncio.wait([running])
        await eventually(lambda: not Path(f"/proc/{pid}/cwd").exists())
    assert await ask(pool, PID) != pid
    await all_idle(pool, 1)


async def test_an_idle_worker_that_is_killed_is_replaced(start: Start) -> None:
    pool = await start(workers=2)
    before = await all_idle(pool, 2)
    victim = min(before)
    await killed(pool, {victim})
    after = await all_idle(pool, 2)
    assert len(before & after) == 1
    assert await ask(pool, PID) in after


async def test_a_worker_that_is_killed_in_a_call_fails_that_call_alone(start: Start, tmp_path: Path) -> None:
    pool = await start()
    gate = Gate(tmp_path)
    running = asking(pool, gate.code("1L"))
    await gate.begun()
    queued = asking(pool, PID)
    (victim,) = pool.snapshot().pids
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(ConnectionLost):
        await running
    assert await queued != victim
    assert not runs(victim)
    assert len(await all_idle(pool, 1)) == 1


@pytest.mark.parametrize(
    "code", ["quit('no')", "tools::pskill(Sys.getpid(), 11L)", "{ tools::pskill(Sys.getpid()); 1L }"]
)
async def test_r_that_ends_itself_fails_that_call_alone(start: Start, code: str) -> None:
    pool = await start()
    (before,) = await all_idle(pool, 1)
    with pytest.raises(ConnectionLost):
        await ask(pool, code)
    assert await ask(pool, PID) != before
    await all_idle(pool, 1)


async def test_workers_are_replaced_after_as_many_calls_as_they_may_serve(start: Start) -> None:
    pool = await start(worker_recycle_calls=1)
    pids = [await ask(pool, PID) for _ in range(3)]
    assert len(set(pids)) == 3
    (idle,) = await all_idle(pool, 1)
    assert idle not in pids
    await eventually(lambda: not any(runs(pid) for pid in pids))


async def test_a_worker_is_replaced_after_a_request_that_it_keeps_the_memory_of(start: Start) -> None:
    pool = await start()
    (before,) = await all_idle(pool, 1)
    assert await ask(pool, PID, ballast="x" * (16 << 20)) == before
    assert await ask(pool, PID) != before


async def test_workers_go_on_without_their_parent_and_new_ones_have_a_new_one(start: Start) -> None:
    pool = await start()
    (worker,) = await all_idle(pool, 1)
    first = await parent_replaced(pool)
    assert await ask(pool, PID) == worker
    await killed(pool, {worker})
    assert await ask(pool, PID) != worker
    assert spawner(pool).parents == {parent(pool)}
    assert not first.socket.parent.exists()


async def test_a_new_parent_has_the_time_to_load_its_bundle(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = await start()
    (worker,) = await all_idle(pool, 1)
    monkeypatch.setattr("bridge.workers.forking._FORK_TIMEOUT_S", 0.01)  # which no load takes
    await parent_replaced(pool)
    await killed(pool, {worker})
    assert await ask(pool, PID) != worker


async def test_a_reply_that_is_too_large_costs_no_worker(start: Start) -> None:
    pool = await start()
    (before,) = await all_idle(pool, 1)
    with pytest.raises(RemoteError) as raised:
        await ask(pool, 'strrep("x", 140e6)')
    assert raised.value.status == OUT_OF_REPLY_SPACE
    assert await ask(pool, PID) == before


async def test_two_parents_that_are_gone_are_cleared_away_once_each(start: Start) -> None:
    pool = await start(workers=2)
    first = await parent_replaced(pool)
    await killed(pool, {min(pool.snapshot().pids)})
    await all_idle(pool, 2)
    second = await parent_replaced(pool)
    assert spawner(pool).parents == {first, second, parent(pool)}  # each of the two has a worker left
    # Their last workers end at the same time, so two replacements find both parents to be cleared away.
    await killed(pool, await all_idle(pool, 2))
    await all_idle(pool, 2)
    assert spawner(pool).parents == {parent(pool)}
    assert len(folders()) == 1


async def test_a_bundle_that_no_longer_loads_fails_calls_until_it_does_again(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    pool = await start(bundle=copy)
    (copy / "Pred.R").rename(tmp_path / "Pred.R")
    await parent_replaced(pool)
    await killed(pool, await all_idle(pool, 1))
    for _ in range(2):
        with pytest.raises(NoWorker, match=r"^no worker can be started: there is no file Pred.R in"):
            await ask(pool, "1L")
    (tmp_path / "Pred.R").rename(copy / "Pred.R")
    # The parent that failed to load will never do better: there has to be another one.
    await all_idle(pool, 1)
    assert await ask(pool, "2L") == 2


async def test_a_parent_that_ends_before_the_pool_knows_is_said_to_have_loaded(start: Start) -> None:
    pool = await start()
    (pid,) = pool.snapshot().pids
    ended = parent(pool)
    os.kill(ended.group.pid, signal.SIGKILL)
    sentence = r"^R died after it had loaded the bundle: it ended by SIGKILL, from outside"
    with pytest.raises(PassingFailure, match=sentence):
        await spawner(pool).spawn()
    assert pool.snapshot().pids == {pid}
    assert (await spawner(pool).spawn()).process is parent(pool) is not ended


async def test_parents_that_load_in_vain_do_not_pile_up(start: Start, bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    pool = await start(bundle=copy)
    (copy / "Pred.R").unlink()
    tried = {await parent_replaced(pool)}
    await killed(pool, await all_idle(pool, 1))

    def tried_often() -> bool:
        tried.add(parent(pool))
        return len(tried) > 4

    await eventually(tried_often)
    assert len(spawner(pool).parents) <= 2
    assert len(folders()) <= 2


async def test_closing_ends_calls_that_run_and_calls_that_wait(start: Start, tmp_path: Path) -> None:
    pool = await start()
    gate = Gate(tmp_path)
    running = asking(pool, gate.code("1L"))
    await gate.begun()
    queued = asking(pool, "2L")
    await waiting(pool, 1)
    await pool.close()
    await pool.close()
    with pytest.raises(ConnectionLost):
        await running
    for call in (queued, asking(pool, "3L")):
        with pytest.raises(NoWorker, match="the version is being unloaded"):
            await call


async def test_closing_right_after_a_worker_was_lost_leaves_nothing(start: Start) -> None:
    pool = await start()
    with pytest.raises(ConnectionLost):
        await ask(pool, "quit('no')")
    await pool.close()
    assert pidfds() == 0


BROKEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "Pred.R raises": ("stop('no')", {}, "no"),
    "Pred.R ends R": ("quit('no')", {"load_timeout_s": 5.0}, "R died while it loaded the bundle"),
    "Pred.R takes too long": ("Sys.sleep(60)", {"load_timeout_s": 0.5}, "not loaded within 0.5 s"),
}


@pytest.mark.parametrize(("code", "settings", "sentence"), BROKEN.values(), ids=BROKEN)
async def test_a_bundle_that_does_not_load(tmp_path: Path, code: str, settings: dict[str, Any], sentence: str) -> None:
    pool = make_pool(make_r_bundle(tmp_path / "broken", code), **settings)
    with pytest.raises(BundleError, match=sentence):
        await pool.start()
    assert (pidfds(), folders()) == (0, [])
