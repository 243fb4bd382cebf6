"""Python functions that run as another user than the gateway: what they reach, and that their faults end as always."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fixtures import StartGateway, put
from other_user import USER
from scorebridge import AsyncScoringClient, Source
from sick import DEFAULT, Sick, StartSick, make_python_bundle
from waiting import eventually, runs

from bridge.config import ConfigError, GatewaySettings
from bridge.gateway import rights
from bridge.gateway.start_check import check_start
from bridge.models.version import State
from bridge.workers.user import WorkerUser

pytestmark = pytest.mark.usefixtures("open_folders")

DEBIAN = Path("/usr/bin/python3")  # everybody can run it
Connect = Callable[..., AsyncScoringClient]
# Each attempt says what it got; one that fails says so.
SPY = """
import os, signal, tempfile

import numpy as np


def _read(path):
    with open(path, "rb") as file:
        return file.read(1) and "read"


def _make(path):
    open(path, "x").close()
    return "made"


def _own():
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    return str(os.geteuid())


_TRIES = {{
    "secret": lambda: _read("{folder}/secret"),
    "write": lambda: _make("{folder}/repository/left"),
    "signal": lambda: os.kill({gateway}, signal.SIGURG) or "signalled",
    "memory": lambda: _read("/proc/{gateway}/mem"),
    "environ": lambda: _read("/proc/{gateway}/environ"),
    "root": lambda: os.setuid(0) or "root",
    "own": _own,
}}


def predict(do):
    said = []
    for one in do:
        try:
            said.append(_TRIES[one]() if one in _TRIES else "")
        except OSError:
            said.append("denied")
    return {{"said": np.array(said, dtype=object)}}
"""
SPY_SETTINGS = 'python = "debian"\nworkers = 1\n[features]\ndo = "string"\n[outputs]\nsaid = "string"\n'


@pytest_asyncio.fixture
async def sick(start_python_sick: StartSick) -> Sick:
    """The sick model, whose workers run as the other user."""
    return await start_python_sick('python = "debian"\n', worker_user=USER, pythons={"debian": DEBIAN})


def users(sick: Sick) -> set[int]:
    """The users of all processes of the model."""
    return {Path(f"/proc/{pid}").stat().st_uid for pid in {*sick.workers(), sick.parent()}}


async def test_it_has_the_rights_of_the_user_alone(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    (tmp_path / "secret").write_text("of the gateway")
    (tmp_path / "secret").chmod(0o600)
    code = SPY.format(folder=tmp_path, gateway=os.getpid())
    put(make_python_bundle(tmp_path / "spy", code, SPY_SETTINGS), repository, "spy")
    gateway = await start_gateway(repository, worker_user=USER, pythons={"debian": DEBIAN})
    tries = ["secret", "write", "signal", "environ", "root", "own"]
    answer = await connect(gateway).score("spy", {"do": tries}, timeout_s=20)
    uid = str(WorkerUser.named(USER).uid)
    assert answer.columns["said"].tolist() == ["denied"] * 5 + [uid]


@pytest.mark.parametrize("do", ["exit", "segfault"])
async def test_a_worker_that_ends_itself_costs_its_call_and_is_replaced_as_the_user(sick: Sick, do: str) -> None:
    before = sick.workers()
    assert users(sick) == {WorkerUser.named(USER).uid}
    async with sick.others_served():
        answer = await sick.call(do, [1.0, 2.0])
        assert (answer.reasons, answer.scores.tolist()) == (["WORKER_LOST"] * 2, [DEFAULT] * 2)
        await sick.recovers(before)
    assert users(sick) == {WorkerUser.named(USER).uid}


@pytest.mark.parametrize("do", ["loop", "children"])
async def test_a_worker_that_hangs_is_killed_with_what_it_started(sick: Sick, do: str) -> None:
    before = sick.workers()
    assert (await sick.call(do, timeout_s=1)).reasons == ["DEADLINE"]
    await eventually(lambda: sick.snapshot().overrun == 1)
    await sick.recovers(before - sick.workers())


async def test_a_bomb_of_the_user_s_is_killed_whole(sick: Sick) -> None:
    before = sick.workers()
    async with sick.others_served():
        answer = await sick.call("bomb", timeout_s=10)
        assert answer.reasons == ["WORKER_LOST"]
        await sick.recovers(before)


async def test_a_worker_and_a_parent_that_are_killed_are_replaced(sick: Sick) -> None:
    parent, workers = sick.parent(), sick.workers()
    os.kill(parent, signal.SIGKILL)
    await eventually(lambda: sick.parent() != parent and runs(sick.parent()))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    await sick.recovers({*workers, parent})
    assert users(sick) == {WorkerUser.named(USER).uid}


def allow(pid: int, count: int) -> None:
    """Lets a process of the user's have this many more at once; by itself, because not every root may."""
    user = WorkerUser.named(USER)
    become = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    subprocess.run([*become, "prlimit", f"--pid={pid}", f"--nproc={count}:1000"], check=True, cwd="/")


async def test_while_the_user_may_have_no_more_processes_calls_get_the_default(sick: Sick) -> None:
    parent, workers = sick.parent(), sick.workers()
    allow(parent, 1)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not sick.workers())
    async with sick.others_served():
        answers = await asyncio.gather(*(sick.call("score", [1.0], timeout_s=5) for _ in range(3)))
    assert {answer.scores[0] for answer in answers} == {DEFAULT}
    allow(parent, 1000)
    await eventually(lambda: len(sick.workers()) == 2)
    await sick.recovers(workers)


async def test_python_code_that_the_user_can_t_read_is_named(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "start.py").touch(0o600)
    monkeypatch.setattr(rights, "runner_folder", lambda: tmp_path)
    said = f"^worker_user '{USER}' can't read the gateway's Python code, {tmp_path}/start.py: install it where"
    with pytest.raises(ConfigError, match=said):
        await start_gateway(repository, worker_user=USER)


def closed_python(folder: Path) -> Path:
    """A link to an interpreter, which only root can follow."""
    (folder / "closed").mkdir(0o700)
    (folder / "closed" / "python").symlink_to(DEBIAN)
    return folder / "closed" / "python"


async def test_an_interpreter_that_the_user_can_t_run_is_named(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    python = closed_python(tmp_path)
    with pytest.raises(ConfigError, match=f"^worker_user '{USER}' can't run pythons.ours {python}: install it where"):
        await start_gateway(repository, worker_user=USER, pythons={"ours": python})


async def test_the_gateway_s_own_interpreter_is_named_by_the_model_that_needs_it(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(make_python_bundle(tmp_path / "b", "def predict(x): return x\n"), repository, "m")
    python = closed_python(tmp_path)
    command = WorkerUser.command
    gateway_s_own = sys.executable

    def as_user(self: WorkerUser, given: list[str]) -> list[str]:
        """By the Python that runs the tests, as root."""
        monkeypatch.setattr(sys, "executable", gateway_s_own)
        made = command(self, given)
        monkeypatch.setattr(sys, "executable", str(python))
        return made

    monkeypatch.setattr(WorkerUser, "command", as_user)
    gateway = await start_gateway(repository, worker_user=USER)
    (version,) = gateway.registry.versions("m")
    assert version.state is State.WAITING
    assert f"worker_user '{USER}' can't run the interpreter {python}: install it where this user can" in version.reason


GONE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "gone": (lambda _: None, "is not there"),
    "a folder": (lambda path: path.mkdir(), "is no program that can be run"),
    "a text": (lambda path: path.write_text("no program"), "is no program that can be run"),
}


@pytest.mark.parametrize("what", GONE)
async def test_an_interpreter_that_is_gone_keeps_no_gateway_from_starting(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, what: str
) -> None:
    make, said = GONE[what]
    make(tmp_path / "python")
    pythons = {"ours": tmp_path / "python"}
    found = await check_start(GatewaySettings(repository=repository, grpc_port=0, http_port=0, pythons=pythons))
    assert not found.errors
    assert f"pythons.ours: {tmp_path}/python {said}: models that name it wait until it is" in found.warnings
    put(make_python_bundle(tmp_path / "b", "def predict(x): return x\n", 'python = "ours"\n'), repository, "m")
    gateway = await start_gateway(repository, pythons=pythons)
    (version,) = gateway.registry.versions("m")
    assert version.state is State.WAITING


async def test_a_model_whose_interpreter_comes_back_is_served(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(make_python_bundle(tmp_path / "b", "def predict(x): return x\n", 'python = "ours"\n'), repository, "m")
    settings = {"pythons": {"ours": tmp_path / "python"}, "watch_interval_s": 0.1}
    gateway = await start_gateway(repository, **settings)
    (tmp_path / "python").symlink_to(DEBIAN)
    await eventually(lambda: gateway.registry.versions("m")[0].state is State.READY)
    answer = await connect(gateway).score("m", {"x": [1.5]}, timeout_s=10)
    assert (answer.source, answer.scores.tolist()) == (Source.MODEL, [1.5])
