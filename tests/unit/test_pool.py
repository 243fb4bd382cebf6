"""The pool with workers of nobody's language, on a clock that moves only when everybody waits."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import pytest

from bridge.bundles.settings import ModelSettings
from bridge.calls import Trace, now
from bridge.errors import BundleError, PassingFailure
from bridge.testing.clock import ManualClock
from bridge.workers.pool import NoWorker, WorkerPool
from bridge.workers.snapshot import Snapshot
from bridge.workload import Workload

LIMIT_S = 5.0


class Harmless(Exception):
    """What leaves a worker usable."""


class Gone(Exception):
    """A call's worker was lost."""


class Abrupt(BaseException):
    """What no program expects."""


async def pass_time(seconds: float) -> None:
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


async def settle() -> None:
    """Lets everybody go on who need not wait for time to pass."""
    await pass_time(1e-6)


class FakeWorker:
    """One that works for as long as it is told, whether somebody waits for it or not."""

    kill_error: OSError | None = None

    def __init__(self, pid: int, kill_s: float) -> None:
        self.pid = pid
        self.lost = self.killed = False
        self.calls = 0
        self._kill_s = kill_s
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._on_lost: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """See `PooledWorker.busy`."""
        return not self._at_rest.is_set()

    async def work(self, seconds: float) -> int:
        """A call; which worker it was."""
        assert (self.busy, self.lost) == (False, False)
        self.calls += 1
        self._at_rest.clear()
        asyncio.get_running_loop().call_later(seconds, self._at_rest.set)
        await self._at_rest.wait()
        if self.lost:
            raise Gone
        return self.pid

    def end(self) -> None:
        """As if somebody had killed it."""
        self.lost = True
        self._at_rest.set()
        if self._on_lost is not None:
            self._on_lost()

    def on_lost(self, callback: Callable[[], None]) -> None:
        """See `PooledWorker.on_lost`."""
        self._on_lost = callback

    async def settled(self) -> None:
        """See `PooledWorker.settled`."""
        await self._at_rest.wait()

    async def kill(self) -> None:
        """Takes the seconds that it was made with."""
        self._on_lost = None
        self.lost = True
        self._at_rest.set()
        await pass_time(self._kill_s)
        self.killed = True
        if self.kill_error is not None:
            raise self.kill_error


class FakeSpawner:
    """Spawns what it is told to: a worker, or an error of those that lie ready."""

    def __init__(
        self, *, kill_s: float = 0.0, spawn_s: float = 0.0, close_s: float = 0.0, recycle: int = 1_000
    ) -> None:
        self.errors: list[Exception] = []
        self.workers: list[FakeWorker] = []
        self.spawned_at: list[float] = []
        self.closed = 0
        self.spawn_s = spawn_s
        self._kill_s = kill_s
        self._close_s = close_s
        self._recycle = recycle
        self._pids = count(1)

    async def spawn(self) -> FakeWorker:
        """Takes `spawn_s` seconds."""
        self.spawned_at.append(now())
        await pass_time(self.spawn_s)
        if self.errors:
            raise self.errors.pop(0)
        self.workers.append(FakeWorker(next(self._pids), self._kill_s))
        return self.workers[-1]

    async def respawn(self) -> FakeWorker:
        """As `spawn`."""
        return await self.spawn()

    def leaves_usable(self, error: Exception) -> bool:
        """`Harmless` does; nobody should ask of what is no `Exception`."""
        return isinstance(error, Harmless) or not isinstance(error, Exception)

    def spent(self, worker: FakeWorker) -> bool:
        """After `recycle` calls."""
        return worker.calls >= self._recycle

    async def close(self) -> None:
        """Takes the seconds that it was made with, and is counted then."""
        await pass_time(self._close_s)
        self.closed += 1
        for worker in self.workers:
            worker.end()


class Stage:
    """A pool of fakes, and what its load was told."""

    def __init__(self, workers: int = 1, **spawner: Any) -> None:
        self.told: list[str] = []
        self.workload = Workload(
            workers, on_free=lambda: self.told.append("free"), on_overrun=lambda: self.told.append("overrun")
        )
        self.spawner = FakeSpawner(**spawner)
        settings = ModelSettings(workers=workers, kill_after_s=LIMIT_S, load_timeout_s=30.0)
        self.pool = WorkerPool(self.spawner, "m/1", settings, self.workload)

    async def call(self, seconds: float = 0.0, trace: Trace | None = None) -> int:
        """A call that takes so long; which worker it had."""
        async with self.pool.lease(trace or Trace(), "8c1f") as worker:
            return await worker.work(seconds)

    def calling(self, seconds: float = 0.0, trace: Trace | None = None) -> asyncio.Task[int]:
        """The same beside what follows."""
        return asyncio.create_task(self.call(seconds, trace))

    async def cancelled(self, task: asyncio.Task[int]) -> None:
        """Cancels it, which takes no time."""
        at = now()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert now() == at

    def counts(self) -> tuple[int, int, int, int, int]:
        """Workers that are idle, leased, settling, dying, starting."""
        shot = self.pool.snapshot()
        return shot.idle, shot.leased, shot.settling, shot.dying, shot.starting


Scene = Callable[[Stage], Coroutine[Any, Any, None]]


def play(scene: Scene, **settings: Any) -> None:
    """Runs a scene with a pool that is started before and closed afterwards."""

    async def main() -> None:
        stage = Stage(**settings)
        await stage.pool.start()
        try:
            await scene(stage)
        finally:
            await stage.pool.close()
        assert stage.counts() == (0, 0, 0, 0, 0)

    ManualClock.run(main)


def test_a_call_has_a_worker_to_itself_and_gives_it_back() -> None:
    async def scene(stage: Stage) -> None:
        trace = Trace()
        began = now()
        async with stage.pool.lease(trace) as worker:
            assert stage.counts() == (1, 1, 0, 0, 0)
            assert stage.pool.snapshot().idle_pids == {1, 2} - {worker.pid}
            await worker.work(2.0)
        assert stage.counts() == (2, 0, 0, 0, 0)
        assert (trace.attempts, trace.queue_s, trace.sent, trace.backend_s) == (1, 0.0, began, 2.0)

    play(scene, workers=2)


def test_calls_that_wait_are_served_in_the_order_in_which_they_came() -> None:
    async def scene(stage: Stage) -> None:
        traces = [Trace() for _ in range(4)]
        calls = [stage.calling(1.0, trace) for trace in traces]
        await settle()
        assert stage.pool.snapshot().waiting == 3
        await asyncio.gather(*calls)
        assert [trace.queue_s for trace in traces] == pytest.approx([0.0, 1.0, 2.0, 3.0])
        shot = stage.pool.snapshot()
        assert (shot.leases, shot.waiting) == (4, 0)
        assert shot.waits_s == pytest.approx(6.0)

    play(scene)


def test_a_call_that_is_cancelled_while_it_waits_is_passed_over() -> None:
    async def scene(stage: Stage) -> None:
        running, leaving, staying = (stage.calling(1.0) for _ in range(3))
        await settle()
        await stage.cancelled(leaving)
        assert stage.pool.snapshot().waiting == 1
        assert await running == await staying == 1
        assert (stage.counts(), stage.pool.snapshot().leases) == ((1, 0, 0, 0, 0), 2)

    play(scene)


@pytest.mark.parametrize("behind", [0, 1])
def test_a_call_that_is_cancelled_as_it_is_handed_a_worker_gives_it_back(behind: int) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.pool.lease(Trace()):
            leaving = stage.calling()
            others = [stage.calling(1.0) for _ in range(behind)]
            await settle()
        assert stage.pool.snapshot().waiting == behind  # it was handed over, and nobody has run since
        await stage.cancelled(leaving)
        assert stage.counts() == (1 - behind, behind, 0, 0, 0)
        assert await asyncio.gather(*others) == [1] * behind
        assert stage.counts() == (1, 0, 0, 0, 0)

    play(scene)


@pytest.mark.parametrize(
    ("error", "kept"), [(Harmless("no score"), True), (ValueError("nonsense"), False), (Abrupt(), False)]
)
def test_an_error_keeps_its_worker_or_not_as_the_spawner_says(error: BaseException, kept: bool) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(type(error)):
            async with stage.pool.lease(Trace()) as worker:
                raise error
        await settle()
        assert worker.killed != kept
        assert await stage.call() == (1 if kept else 2)
        assert stage.pool.snapshot().replaced == (0 if kept else 1)

    play(scene)


def test_an_error_is_the_caller_s_own_and_its_trace_says_when() -> None:
    async def scene(stage: Stage) -> None:
        trace, error = Trace(), Harmless()

        async def failing() -> None:
            async with stage.pool.lease(trace) as worker:
                await worker.work(2.0)
                raise error

        with pytest.raises(Harmless) as raised:
            await failing()
        assert raised.value is error
        assert trace.backend_s == 2.0

    play(scene)


def test_a_spent_worker_is_replaced_before_the_next_call() -> None:
    async def scene(stage: Stage) -> None:
        assert [await stage.call() for _ in range(5)] == [1, 1, 2, 2, 3]
        await settle()
        assert [worker.killed for worker in stage.spawner.workers] == [True, True, False]

    play(scene, recycle=2)


@pytest.mark.parametrize("error", [None, Harmless()])
def test_a_worker_that_is_lost_in_a_call_is_replaced_however_the_call_ends(error: Harmless | None) -> None:
    async def scene(stage: Stage) -> None:
        try:
            async with stage.pool.lease(Trace()) as worker:
                worker.end()
                if error is not None:
                    raise error
        except Harmless:
            assert error is not None
        assert await stage.call() == 2

    play(scene)


def test_an_idle_worker_that_is_lost_is_replaced_before_anyone_asks() -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.workers[0].end()
        assert stage.counts() == (1, 0, 0, 1, 0)
        await pass_time(2.0)
        assert stage.counts() == (1, 0, 0, 0, 1)
        await pass_time(2.0)
        assert stage.counts() == (2, 0, 0, 0, 0)
        assert stage.pool.snapshot().idle_pids == {2, 3}

    play(scene, workers=2, kill_s=1.0, spawn_s=2.0)


def test_a_worker_of_a_cancelled_call_that_finishes_in_time_serves_again() -> None:
    async def scene(stage: Stage) -> None:
        call = stage.calling(LIMIT_S - 1.0)
        await pass_time(1.0)
        await stage.cancelled(call)
        assert (stage.counts(), stage.workload.occupied) == ((0, 0, 1, 0, 0), 1)
        trace = Trace()
        assert await stage.call(trace=trace) == 1
        assert trace.queue_s == pytest.approx(LIMIT_S - 2.0)
        assert (stage.counts(), stage.workload.occupied, stage.told) == ((1, 0, 0, 0, 0), 0, ["free"])
        assert stage.pool.snapshot().overrun == 0

    play(scene)


def test_a_worker_of_a_cancelled_call_that_overruns_is_killed_at_its_limit_and_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(stage: Stage) -> None:
        call = stage.calling(100.0)
        began = now()
        await pass_time(LIMIT_S - 1.0)
        await stage.cancelled(call)
        trace = Trace()
        assert await stage.call(trace=trace) == 2
        assert now() == pytest.approx(began + LIMIT_S)  # counted from when the call had it, not from when it left
        assert (stage.workload.occupied, stage.told) == (0, ["overrun", "free"])
        shot = stage.pool.snapshot()
        assert (shot.overrun, shot.replaced, set(shot.pids)) == (1, 1, {2})
        assert stage.spawner.workers[0].killed

    play(scene)
    limit = "5 s (kill_after_s, else timeout_s)"
    assert caplog.messages == [f"worker 1 of m/1 was killed: busy for more than {limit} with an ended call"]
    assert [record.__dict__["args"]["request_id"] for record in caplog.records] == ["8c1f"]


def test_a_worker_of_a_call_that_is_cancelled_beyond_the_limit_is_killed_at_once() -> None:
    async def scene(stage: Stage) -> None:
        call = stage.calling(100.0)
        await pass_time(LIMIT_S + 1.0)  # while somebody waits, it may take as long as it takes
        assert stage.counts() == (0, 1, 0, 0, 0)
        at = now()
        await stage.cancelled(call)
        assert await stage.call() == 2
        assert now() == at

    play(scene)


def test_a_worker_that_is_lost_while_it_settles_is_replaced_and_has_not_overrun() -> None:
    async def scene(stage: Stage) -> None:
        call = stage.calling(100.0)
        await settle()
        await stage.cancelled(call)
        stage.spawner.workers[0].end()
        assert await stage.call() == 2
        shot = stage.pool.snapshot()
        assert (shot.overrun, shot.replaced, stage.told) == (0, 1, ["free"])

    play(scene)


def test_a_call_that_is_cancelled_when_its_worker_has_answered_gives_it_back_at_once() -> None:
    async def scene(stage: Stage) -> None:
        async def main() -> None:
            async with stage.pool.lease(Trace()) as worker:
                await worker.work(1.0)
                await pass_time(100.0)

        call = asyncio.create_task(main())
        await pass_time(2.0)
        call.cancel()
        await asyncio.wait([call])
        assert (stage.counts(), stage.told) == ((1, 0, 0, 0, 0), [])

    play(scene)


@pytest.mark.parametrize("error", [None, Harmless()])
def test_a_call_that_leaves_its_worker_busy_leaves_it_to_settle(error: Harmless | None) -> None:
    async def scene(stage: Stage) -> None:
        work = []
        try:
            async with stage.pool.lease(Trace()) as worker:
                work.append(asyncio.create_task(worker.work(2.0)))
                await settle()
                if error is not None:
                    raise error
        except Harmless:
            assert error is not None
        assert (stage.counts(), stage.workload.occupied) == ((0, 0, 1, 0, 0), 1)
        assert await stage.call() == await work[0] == 1

    play(scene)


FAILURES = [
    BundleError("no such file"),
    PassingFailure("no room"),
    OSError(24, "Too many open files"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_calls_are_refused_while_there_is_no_worker_and_none_can_be_started(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.errors = [error] * 3
        running, waiting = stage.calling(100.0), stage.calling()
        await settle()
        stage.spawner.workers[0].end()
        with pytest.raises(Gone):
            await running
        for refused in (waiting, stage.calling()):  # one that waits, and one that comes
            with pytest.raises(NoWorker, match=r"^no worker can be started: ") as raised:
                await refused
            assert raised.value.__cause__ is error
        assert stage.counts() == (0, 0, 0, 0, 1)
        while not stage.pool.snapshot().idle:
            await pass_time(0.1)
        assert (await stage.call(), stage.pool.snapshot().replaced) == (2, 1)

    play(scene)
    assert caplog.messages == [f"a new worker of m/1 could not be started: {str(error) or 'TimeoutError'}"] * 3


def test_a_failure_is_forgotten_once_a_worker_was_started() -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.errors = [BundleError("no")]
        stage.spawner.workers[0].end()
        await pass_time(5.0)
        stage.spawner.workers[1].end()
        assert await stage.call() == 3  # it waits, as nothing speaks against another one

    play(scene, spawn_s=1.0)


def test_attempts_to_start_a_worker_come_at_growing_pauses_of_five_seconds_at_most() -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.errors = [BundleError("no")] * 40
        stage.spawner.workers[0].end()
        while not stage.pool.snapshot().idle:
            await pass_time(1.0)
        tried = stage.spawner.spawned_at[1:]
        pauses = [later - earlier for earlier, later in pairwise(tried)]
        assert len(pauses) == 40
        assert max(pauses) <= 5.0 + 1e-6
        assert sum(pauses[:3]) < sum(pauses[-3:])
        assert all(pause <= 0.1 * 2**n + 1e-6 for n, pause in enumerate(pauses))

    play(scene)


def test_calls_wait_for_another_worker_where_one_can_not_be_replaced() -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.errors = [BundleError("no")] * 100
        busy = {stage.calling(10.0) for _ in range(2)}
        waiting = stage.calling()
        await settle()
        stage.spawner.workers[0].end()
        await pass_time(1.0)
        coming = stage.calling()  # although there was a failure by now
        assert await waiting == await coming == 2
        ended, _ = await asyncio.wait(busy)
        assert sorted(str(call.exception()) for call in ended) == ["", "None"]

    play(scene, workers=2)


def test_an_error_that_nobody_foresaw_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.errors = [RuntimeError("a bug")]
        stage.spawner.workers[0].end()
        await settle()

    play(scene)
    assert caplog.messages == [
        "a new worker of m/1 could not be started: a bug",
        "background work for the workers of m/1 failed",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_a_worker_that_is_not_killed_with_all_it_started_is_replaced_too(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.workers[0].kill_error = OSError(24, "Too many open files")
        stage.spawner.workers[0].end()
        assert await stage.call() == 2
        assert stage.counts() == (1, 0, 0, 0, 0)

    play(scene)
    assert caplog.messages == ["processes that worker 1 of m/1 started may still run: [Errno 24] Too many open files"]


def test_closing_ends_what_is_leased_and_what_waits() -> None:
    async def scene(stage: Stage) -> None:
        running, waiting = stage.calling(100.0), stage.calling()
        await settle()
        await stage.pool.close()
        with pytest.raises(Gone):
            await running
        for refused in (waiting, stage.calling()):
            with pytest.raises(NoWorker, match=r"^no worker can be started: the version is being unloaded$"):
                await refused
        await stage.pool.close()
        assert len(stage.spawner.workers) == 1

    play(scene)


@pytest.mark.parametrize("error", [None, Harmless(), ValueError(), asyncio.CancelledError()])
def test_what_is_given_back_to_a_closed_pool_starts_nothing(error: BaseException | None) -> None:
    async def scene(stage: Stage) -> None:
        lease = stage.pool.lease(Trace())
        worker = await lease.__aenter__()
        work = asyncio.create_task(worker.work(100.0))
        await settle()
        await stage.pool.close()
        with pytest.raises(Gone):
            await work
        worker.lost = False
        await lease.__aexit__(type(error) if error else None, error, None)
        assert (stage.counts(), stage.workload.occupied, len(stage.spawner.workers)) == ((0, 0, 0, 0, 0), 0, 1)
        assert len(asyncio.all_tasks()) == 1

    play(scene)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.5, 2.5])
def test_closing_while_a_worker_is_replaced_leaves_nothing(seconds: float) -> None:
    async def scene(stage: Stage) -> None:
        stage.spawner.workers[0].end()
        await pass_time(seconds)
        await stage.pool.close()
        assert len(asyncio.all_tasks()) == 1

    play(scene, kill_s=1.0, spawn_s=1.0)


def test_closing_while_a_worker_settles_leaves_nothing() -> None:
    async def scene(stage: Stage) -> None:
        call = stage.calling(100.0)
        await settle()
        await stage.cancelled(call)
        await stage.pool.close()
        assert len(asyncio.all_tasks()) == 1
        assert stage.pool.snapshot().overrun == 0

    play(scene)


def test_closing_that_is_cancelled_closes_all_the_same() -> None:
    async def scene(stage: Stage) -> None:
        closing = asyncio.create_task(stage.pool.close())
        await settle()
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        assert stage.spawner.closed == 1
        assert stage.counts() == (0, 0, 0, 0, 0)

    play(scene, close_s=1.0)


def test_a_pool_starts_as_many_workers_as_it_is_to_have_and_gives_the_first() -> None:
    async def main() -> None:
        stage = Stage(workers=3, spawn_s=2.0)
        assert stage.counts() == (0, 0, 0, 0, 3)
        first = await stage.pool.start()
        assert (first.pid, stage.counts(), now()) == (1, (3, 0, 0, 0, 0), 1006.0)
        await stage.pool.close()

    ManualClock.run(main)


@pytest.mark.parametrize("error", [BundleError("no such file"), PassingFailure("no room"), OSError(24, "too many")])
def test_a_start_that_fails_closes_the_pool(error: Exception) -> None:
    async def main() -> None:
        stage = Stage(workers=2)
        stage.spawner.errors = [error]
        with pytest.raises(type(error)) as raised:
            await stage.pool.start()
        assert raised.value is error
        assert stage.spawner.closed == 1

    ManualClock.run(main)


def test_a_start_of_all_workers_has_the_load_timeout_for_them_together() -> None:
    async def main() -> None:
        stage = Stage(workers=4, spawn_s=10.0)
        with pytest.raises(
            PassingFailure, match=r"^the bundle was not loaded within 30 s \(load_timeout_s\)$"
        ) as raised:
            await stage.pool.start()
        assert (raised.value.limit, now(), stage.spawner.closed) == ("30 s", 1030.0, 1)
        assert len(stage.spawner.workers) < 4

    ManualClock.run(main)


def test_a_snapshot_is_of_one_moment_and_can_not_be_changed() -> None:
    async def scene(stage: Stage) -> None:
        before = stage.pool.snapshot()
        await stage.call()
        assert before == Snapshot(1, 0, 0, 0, 0, 0, 0, 0.0, 0, 0, frozenset({1}), frozenset({1}))
        assert stage.pool.snapshot() == replace(before, leases=1)
        with pytest.raises(AttributeError):
            before.leases = 5  # type: ignore[misc] # the point of it

    play(scene)
