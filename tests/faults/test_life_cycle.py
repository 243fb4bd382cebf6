"""Versions that come and go under load: no failed, mixed or repeated answer, and never a default for it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fixtures import StartGateway, make_r_bundle, put
from scorebridge import AsyncScoringClient, ModelNotFound, Source, Unavailable
from waiting import eventually, runs

from bridge.bundles.repository import Repository
from bridge.gateway.server import Gateway
from bridge.models.version import State

Connect = Callable[[Gateway], AsyncScoringClient]


@dataclass
class Diary:
    """What the callers saw: answers by version, and everything that was not the version's own score."""

    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[object] = field(default_factory=list)

    async def more_of(self, version: int) -> None:
        """Waits for some more answers of this version."""
        enough = self.answers[version] + 20
        await eventually(lambda: self.answers[version] > enough, timeout_s=30)


@asynccontextmanager
async def load(client: AsyncScoringClient, callers: int = 8) -> AsyncIterator[Diary]:
    """Callers without pause; version N of the model multiplies by N."""
    diary = Diary()
    stop = asyncio.Event()

    async def caller(number: int) -> None:
        x = float(number)
        while not stop.is_set():
            x += callers
            try:
                answer = await client.score("m", {"x": [x, x + 0.5]}, timeout_s=20)
            except Exception as error:  # noqa: BLE001 - the diary is what the test looks at
                diary.wrong.append(error)
                return
            right = answer.scores.tolist() == [x * answer.version, (x + 0.5) * answer.version]
            if answer.source is not Source.MODEL or not right:
                diary.wrong.append(answer)
            diary.answers[answer.version] += 1

    tasks = [asyncio.create_task(caller(number)) for number in range(callers)]
    try:
        await eventually(lambda: sum(diary.answers.values()) > callers or diary.wrong)
        yield diary
        done = sum(diary.answers.values())
        await eventually(lambda: sum(diary.answers.values()) > done + callers or diary.wrong)
    finally:
        stop.set()
        await asyncio.gather(*tasks)


Deploy = Callable[..., Awaitable[None]]


@pytest.fixture
def front() -> str:
    return "grpc"


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[[int], Path]:
    def make(version: int, code: str = "Pred.R <- function(x) x * k") -> Path:
        settings = '[features]\nx = "double"\n'
        return make_r_bundle(tmp_path / f"v{version}", code, f"k <- {version}", settings)

    return make


async def test_a_new_version_is_swapped_in_and_rolled_back_and_forth_under_load(
    repository: Path, start_gateway: StartGateway, connect: Connect, bundle: Callable[..., Path]
) -> None:
    put(bundle(1), repository, "m", 1)
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    client = connect(gateway)
    async with load(client) as diary:
        for version in (2, 3):
            put(bundle(version), repository, "m", version)
            await diary.more_of(version)
        Repository(repository).promote("m", 2)
        await diary.more_of(2)
        Repository(repository).promote("m", 3)
        await diary.more_of(3)
    assert diary.wrong == []
    await eventually(lambda: gateway.registry.versions("m")[0].state is State.NOT_RESIDENT)


async def test_a_broken_version_and_a_half_copied_one_leave_the_old_one_serving(
    repository: Path, start_gateway: StartGateway, connect: Connect, bundle: Callable[..., Path]
) -> None:
    put(bundle(1), repository, "m", 1)
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    client = connect(gateway)
    async with load(client) as diary:
        put(bundle(2, "Pred.R <- function(x) nonsense("), repository, "m", 2)
        (repository / "m" / "3").mkdir()
        (repository / "m" / "3" / "Pred.R").write_text("Pred.R <- function(x) x")
        await eventually(lambda: len(gateway.registry.versions("m")) == 3)
        await eventually(lambda: gateway.registry.versions("m")[1].state is State.REFUSED)
        await diary.more_of(1)
    assert diary.wrong == []
    assert set(diary.answers) == {1}
    assert gateway.registry.versions("m")[2].state is State.NOT_DEPLOYED


async def test_a_retired_version_finishes_its_calls_and_is_gone(
    repository: Path, start_gateway: StartGateway, connect: Connect, bundle: Callable[..., Path]
) -> None:
    slow = "Pred.R <- function(x) { Sys.sleep(max(0, x[1] - 1000)); x * k }"
    for version in (1, 2):
        put(bundle(version, slow), repository, "m", version)
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    client = connect(gateway)
    backend = gateway.registry.resolve("m", 2).accepted.backend
    pids = backend.pool.snapshot().pids
    under_way = asyncio.create_task(client.score("m", {"x": [1000.5]}, timeout_s=10))
    await eventually(lambda: backend.workload.running == 1)
    Repository(repository).retire("m", 2)
    async with load(client) as diary:
        await eventually(lambda: diary.answers[1] > 20)
    assert diary.wrong == []
    answer = await under_way
    assert (answer.version, answer.scores.tolist()) == (2, [2001.0])
    await eventually(lambda: not any(runs(pid) for pid in pids))
    with pytest.raises(ModelNotFound):
        await client.score("m", {"x": [1.0]}, version=2)
    assert [one.version for one in await client.models()] == [1]


async def test_a_version_that_still_loads_is_answered_with_its_default(
    repository: Path, tmp_path: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    settings = 'default_score = 9\n[features]\nx = "double"\n[outputs]\nscore = "double"\n'
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    code = "Sys.sleep(2)\nPred.R <- function(x) x * k"
    put(make_r_bundle(tmp_path / "late", code, settings=settings), repository, "late")
    client = connect(gateway)

    def known() -> bool:
        with suppress(ModelNotFound):
            return bool(gateway.registry.versions("late")) and bool(gateway.registry.versions("late")[0].defaults)
        return False

    await eventually(known)
    answer = await client.score("late", {"x": [1.0, 2.0]}, timeout_s=10)
    assert answer.reasons == ["MODEL_NOT_READY"] * 2
    assert answer.scores.tolist() == [9.0, 9.0]
    assert answer.version == 1
    with pytest.raises(Unavailable) as raised:
        await client.score("late", {"x": [1.0]}, timeout_s=10, allow_default=False)
    assert raised.value.reason == "MODEL_NOT_READY"
    await eventually(lambda: gateway.registry.versions("late")[0].ready)
    assert (await client.score("late", {"x": [1.0]}, timeout_s=10)).scores.tolist() == [2.0]


async def test_a_gateway_may_end_while_a_version_is_let_go(
    repository: Path, start_gateway: StartGateway, bundle: Callable[..., Path]
) -> None:
    for version in (1, 2):
        put(bundle(version), repository, "m", version)
    gateway = await start_gateway(repository, watch_interval_s=0.01)
    Repository(repository).retire("m", 2)
    await eventually(lambda: len(gateway.registry.versions("m")) == 1)
    await gateway.close()
