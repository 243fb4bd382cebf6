"""Versions that wait: tried again with pauses that grow, beside all else; on a clock that jumps, with fake backends."""

import asyncio
import errno
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scorebridge.v1 import scoring_pb2 as pb
from waiting import eventually

import bridge.models.registry
from bridge.backends import Description
from bridge.bundles.bundle import Bundle, make_manifest, read_bundle
from bridge.bundles.repository import Repository
from bridge.calls import Call, DefaultScore, Outcome, Output, Range, now
from bridge.columns import Column, Matrix, Type
from bridge.errors import BundleError, ModelNotFound, ModelNotReady, PassingFailure, VersionRefused
from bridge.models.acceptance import Accepted
from bridge.models.registry import Registry
from bridge.models.version import State, Version
from bridge.reads import Reads
from bridge.services.models import write_version
from bridge.testing.backend import FakeBackend
from bridge.testing.clock import ManualClock

SCORE = Output("score", Type.DOUBLE)
LONG_S = 100_000.0  # of a time that does not pass


async def _one(call: Call) -> Outcome:
    return Outcome((Range(0, call.rows, (Column("score", Type.DOUBLE, np.ones(call.rows)),)),))


def accepted(bundle: Bundle) -> Accepted:
    backend = FakeBackend(_one, Description((), (SCORE,)))
    return Accepted(bundle, backend, backend.description, (), 0, None, "")


class World:
    """A repository, its registry, and what comes of each try to load a version.

    Attributes:
        fate: of "MODEL/VERSION": what each next try raises; after that it can be loaded.
        gates: what a try of it waits for, by its number from 1.
        tried: which versions, and when.
        together: which tries were under way, whenever one was begun.
    """

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "repository")
        self.changed = asyncio.Event()
        self.registry = Registry(self.repository, lambda _: self.changed.set())
        self.fate: dict[str, list[Exception]] = {}
        self.gates: dict[tuple[str, int], asyncio.Event] = {}
        self.tried: list[tuple[str, float]] = []
        self.under_way: list[str] = []
        self.together: list[tuple[str, ...]] = []

    def deploy(self, name: str, *fate: Exception, settings: str = "") -> None:
        """Puts a version into the repository."""
        model, number = name.split("/")
        self.fate[name] = list(fate)
        bundle = self.repository.path.parent / f"{model}-{number}"
        bundle.mkdir()
        (bundle / "model.ubj").touch()
        (bundle / "model.toml").write_text(settings)
        with self.repository.staged(bundle) as staged:
            self.repository.publish(staged, make_manifest(staged, (SCORE,)), model, int(number))

    async def accept(self, bundle: Bundle, _: Path | None = None, **_settings: object) -> Accepted:
        """In the place of bridge.models.acceptance.accept."""
        name = f"{bundle.path.parent.name}/{bundle.path.name}"
        self.tried.append((name, now()))
        self.under_way.append(name)
        self.together.append(tuple(self.under_way))
        try:
            if gate := self.gates.get((name, len(self.tries(name)))):
                await gate.wait()
            if self.fate[name]:
                raise self.fate[name].pop(0)
            return accepted(bundle)
        finally:
            self.under_way.remove(name)

    def hold(self, *names: str) -> None:
        """Once they were tried, what comes of the next try of each is not decided before they are let go."""
        self.gates |= {(name, 2): asyncio.Event() for name in names}

    def let_go(self, *names: str) -> None:
        """See `hold`."""
        for name in names:
            self.gates[name, 2].set()

    def tries(self, name: str) -> list[float]:
        """When it was tried."""
        return [at for one, at in self.tried if one == name]

    def version(self, name: str) -> Version:
        """As the registry has it."""
        return next(one for one in self.registry.versions() if str(one.ref) == name)

    def state(self, name: str) -> State:
        """Of a version."""
        return self.version(name).state

    def serving(self, model: str) -> int:
        """Which version of it serves; 0 for none."""
        version = self.registry.serving(model)
        return version.stored.version if version else 0

    async def becomes(self, name: str, state: State) -> Version:
        """Waits for it, on the loop's clock."""
        await eventually(lambda: self.state(name) is state, LONG_S)
        return self.version(name)


async def _read_at_once(_: Reads, subject: str, limit_s: float, read: Callable[[], Any]) -> object:
    del subject, limit_s
    return read()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(Reads, "run", _read_at_once)  # its limits would be over while its thread is begun
    made = World(tmp_path)
    monkeypatch.setattr(bridge.models.registry, "accept", made.accept)
    return made


def run(world: World, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On a loop whose time passes at once; then the registry is closed, and nothing may be left."""

    async def closed() -> None:
        try:
            await main()
        finally:
            await world.registry.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    ManualClock.run(closed)


async def idle() -> None:
    """Returns when nothing is under way, nor ever will be by itself."""
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()}, LONG_S)


def late(times: int = 1) -> list[Exception]:
    """So many tries that take too long."""
    return [PassingFailure("it was not loaded within 1 s") for _ in range(times)]


def asking(version: Version, *defaults: DefaultScore) -> Call:
    return Call("id", version.ref, Matrix((), np.zeros((2, 1))), now(), None, defaults or version.defaults)


def test_the_pauses_double_up_to_five_minutes_until_it_can_be_loaded(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1", *late(12))
        await world.registry.refresh()
        assert world.state("m/1") is State.WAITING
        while world.state("m/1") is State.WAITING:
            world.changed.clear()
            await world.changed.wait()  # and nothing else lets the clock go on
        tries = world.tries("m/1")
        shares = [(after - before) / min(2.0**place, 300) for place, (before, after) in enumerate(pairwise(tries))]
        assert len(shares) == 12
        assert all(0.8 <= share <= 1 for share in shares)
        assert len({round(share, 4) for share in shares}) > 6  # not in step with others that failed together
        assert world.serving("m") == 1
        await idle()

    run(world, main)


def test_what_is_said_of_a_version_that_waits(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1", *late())
        world.hold("m/1")
        before = datetime.now(UTC)
        await world.registry.refresh()
        version = world.version("m/1")
        assert version.retry_at is not None
        assert before < version.retry_at <= datetime.now(UTC) + timedelta(seconds=1)
        said = write_version(version, serving=False)
        assert (said.state, said.state_reason) == (pb.VERSION_STATE_WAITING, "it was not loaded within 1 s")
        assert said.retry_at.ToDatetime(UTC) == version.retry_at
        world.let_go("m/1")
        await world.becomes("m/1", State.READY)
        said = write_version(version, serving=True)
        assert (said.state, said.state_reason, said.HasField("retry_at")) == (pb.VERSION_STATE_READY, "", False)

    run(world, main)


def test_a_wrong_bundle_is_refused_and_not_tried_again(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1", BundleError("no good"))
        world.deploy("n/1", *late(), BundleError("no good"))
        await world.registry.refresh()
        assert world.state("m/1") is State.REFUSED
        refused = await world.becomes("n/1", State.REFUSED)
        assert (refused.reason, refused.retry_at) == ("no good", None)
        await world.registry.refresh()
        await idle()
        assert (len(world.tries("m/1")), len(world.tries("n/1"))) == (1, 2)
        with pytest.raises(VersionRefused, match="m/1 was refused: no good"):
            world.registry.resolve("m", 1)

    run(world, main)


PASSING: list[tuple[Exception, str]] = [
    (OSError(errno.EMFILE, "Too many open files"), "it could not be loaded now: Too many open files"),
    (
        OSError(errno.ENFILE, "Too many open files in system"),
        "it could not be loaded now: Too many open files in system",
    ),
    (BlockingIOError(errno.EAGAIN, "Try again", "fork"), "it could not be loaded now: fork: Try again"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "it could not be loaded now: Cannot allocate memory"),
    (OSError(errno.ENOSPC, "No space left on device", "/t/owner"), "it could not be loaded now: owner: No space left"),
    (OSError(errno.EIO, "Input/output error", "/r/m/1/golden.csv"), "it could not be loaded now: golden.csv: Input"),
    (OSError(errno.ESTALE, "Stale file handle"), "it could not be loaded now: Stale file handle"),
    (MemoryError(), "it could not be loaded now: out of memory"),
    (RuntimeError("can't start new thread"), "it could not be loaded now: can't start new thread"),
    (ValueError("std::bad_alloc\nStack trace"), "it could not be loaded now: std::bad_alloc"),
]
STAYING: list[tuple[Exception, str]] = [
    (PermissionError(errno.EACCES, "Permission denied"), "a file of the bundle can't be read: Permission denied"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory"), "a file of the bundle can't be read: No such file"),
    (IsADirectoryError(errno.EISDIR, "Is a directory"), "a file of the bundle can't be read: Is a directory"),
    (
        ZeroDivisionError("division by zero"),
        "the gateway failed while it loaded this version, because of a bug: its log says where",
    ),
]


@pytest.mark.parametrize(("error", "reason"), [*PASSING, *STAYING], ids=repr)
@pytest.mark.parametrize("where", ["read_bundle", "accept"])
def test_which_errors_pass_and_which_stay(
    world: World, error: Exception, reason: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [error]

    def read(path: Path) -> Bundle:
        if failures and where == "read_bundle":
            raise failures.pop()
        return read_bundle(path)

    async def main() -> None:
        monkeypatch.setattr(bridge.models.registry, "read_bundle", read)
        world.deploy("m/1", *(failures if where == "accept" else []))
        world.gates[("m/1", 2 if where == "accept" else 1)] = gate = asyncio.Event()
        await world.registry.refresh()
        passes = (error, reason) in PASSING
        assert world.state("m/1") is (State.WAITING if passes else State.REFUSED)
        assert world.version("m/1").reason.startswith(reason)
        gate.set()
        if passes:
            await world.becomes("m/1", State.READY)

    run(world, main)


def test_calls_for_a_version_that_waits_are_those_for_one_that_still_loads(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1", *late(), settings="default_score = 7")
        world.deploy("n/1", *late())
        world.hold("m/1", "n/1")
        await world.registry.refresh()
        for number in (0, 1):
            outcome = await world.registry.resolve("m", number).score(asking(world.version("m/1")))
            assert [part.scores[0].values.tolist() for part in outcome.ranges] == [[7.0, 7.0]]
            assert isinstance(outcome.ranges[0].error, ModelNotReady)
            without = await world.registry.resolve("n", number).score(asking(world.version("n/1")))
            sentence = "n/1 could not be loaded yet and is tried again: it was not loaded within 1 s"
            assert str(without.first_failure()) == sentence
            brought = await world.registry.resolve("n", number).score(
                asking(world.version("n/1"), DefaultScore(SCORE, 3.0))
            )
            assert brought.ranges[0].scores[0].values.tolist() == [3.0, 3.0]

    run(world, main)


def test_the_other_one_serves_until_it_takes_over(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1")
        world.deploy("m/2", *late())
        world.hold("m/2")
        await world.registry.refresh()
        assert (world.serving("m"), world.state("m/2")) == (1, State.WAITING)
        world.let_go("m/2")
        await world.becomes("m/2", State.READY)
        assert (world.serving("m"), world.state("m/1")) == (2, State.READY)

    run(world, main)


def test_a_promoted_version_takes_over_too(world: World) -> None:
    async def main() -> None:
        for name, fate in (("m/1", late()), ("m/2", []), ("m/3", [])):
            world.deploy(name, *fate)
        world.hold("m/1")
        world.repository.promote("m", 1)
        await world.registry.refresh()
        assert (world.serving("m"), world.state("m/1")) == (3, State.WAITING)
        world.let_go("m/1")
        await world.becomes("m/1", State.READY)
        assert world.serving("m") == 1

    run(world, main)


def test_it_does_not_take_over_while_the_one_that_was_promoted_is_loaded(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1")
        world.deploy("m/3", *late())
        world.gates = {("m/3", 2): asyncio.Event(), ("m/2", 1): asyncio.Event()}
        await world.registry.refresh()
        world.deploy("m/2")
        world.repository.promote("m", 2)
        refreshing = asyncio.create_task(world.registry.refresh())
        await eventually(lambda: "m/2" in world.under_way)
        world.gates["m/3", 2].set()
        await world.becomes("m/3", State.READY)
        assert (world.state("m/2"), world.serving("m")) == (State.LOADING, 1)
        world.gates["m/2", 1].set()
        await refreshing
        assert world.serving("m") == 2

    run(world, main)


def test_a_retry_holds_up_no_newer_version_of_its_model(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1", *late())
        world.hold("m/1")
        await world.registry.refresh()
        await eventually(lambda: world.under_way)
        assert world.state("m/1") is State.WAITING
        world.deploy("m/2")
        await world.registry.refresh()
        assert (world.serving("m"), world.under_way) == (2, ["m/1"])
        world.let_go("m/1")
        await world.becomes("m/1", State.READY)
        assert world.serving("m") == 2

    run(world, main)


def test_it_is_given_up_once_enough_newer_ones_are_good(world: World) -> None:
    async def main() -> None:
        world.deploy("m/1", *late(1_000))
        world.deploy("m/2")
        await world.registry.refresh()
        await eventually(lambda: len(world.tries("m/1")) > 3, LONG_S)
        assert world.state("m/1") is State.WAITING
        world.deploy("m/3")
        await world.registry.refresh()
        assert (world.state("m/1"), world.version("m/1").reason) == (State.NOT_RESIDENT, "")
        await idle()
        with pytest.raises(ModelNotFound, match="m/1 is not resident"):
            world.registry.resolve("m", 1)

    run(world, main)


@pytest.mark.parametrize("under_way", [False, True])
def test_one_that_is_retired_or_loses_its_manifest_is_not_tried_again(world: World, under_way: bool) -> None:
    async def main() -> None:
        world.deploy("m/1", *late(1_000))
        world.deploy("n/1", *late(1_000))
        if under_way:
            world.hold("m/1", "n/1")
        await world.registry.refresh()
        if under_way:
            await eventually(lambda: len(world.under_way) == 2)
        world.repository.retire("m", 1)
        (world.repository.path / "n" / "1" / "manifest.json").unlink()
        await world.registry.refresh()
        await idle()
        assert (world.under_way, world.registry.models()) == ([], ["n"])
        assert world.state("n/1") is State.NOT_DEPLOYED

    run(world, main)


def test_of_a_model_one_is_tried_again_at_a_time(world: World) -> None:
    async def main() -> None:
        for name in ("m/1", "m/2"):
            world.deploy(name, *late())
            world.hold(name)
        await world.registry.refresh()
        first = len(world.together)
        await eventually(lambda: world.under_way)
        in_a_while = now() + 100  # in many steps, so that threads come to their ends
        await eventually(lambda: now() > in_a_while, LONG_S)
        world.let_go("m/1", "m/2")
        for name in ("m/1", "m/2"):
            await world.becomes(name, State.READY)
        assert {len(names) for names in world.together[first:]} == {1}

    run(world, main)


def test_of_all_models_so_few_are_tried_again_at_once_that_new_ones_find_room(world: World) -> None:
    async def main() -> None:
        names = [f"{model}/1" for model in "abcdef"]
        for name in names:
            world.deploy(name, *late())
        world.hold(*names)
        await world.registry.refresh()
        await eventually(lambda: len(world.under_way) == 2, LONG_S)
        in_a_while = now() + 100
        await eventually(lambda: now() > in_a_while, LONG_S)
        world.deploy("new/1")
        await world.registry.refresh()
        assert (world.serving("new"), len(world.under_way)) == (1, 2)
        world.let_go(*names)
        for name in names:
            await world.becomes(name, State.READY)

    run(world, main)


@pytest.mark.parametrize("under_way", [False, True])
def test_the_end_of_retries_leaves_no_task_and_what_waits_waiting(world: World, under_way: bool) -> None:
    async def main() -> None:
        world.deploy("m/1", *late(1_000))
        if under_way:
            world.hold("m/1")
        await world.registry.refresh()
        if under_way:
            await eventually(lambda: world.under_way)
        await world.registry.end_retries()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (world.under_way, world.state("m/1")) == ([], State.WAITING)
        world.deploy("n/1", *late(1_000))
        await world.registry.refresh()
        await idle()
        assert world.state("n/1") is State.WAITING

    run(world, main)
