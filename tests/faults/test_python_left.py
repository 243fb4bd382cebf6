"""What a call of a Python function leaves behind: the next call does not meet it."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from scorebridge import Source
from sick import Sick, make_python_bundle
from waiting import eventually, eventually_now, runs

from bridge.bundles.bundle import read_bundle
from bridge.models.acceptance import accept
from bridge.workers import forked
from bridge.workers.process_tree import kill_tree

LEFT = ["thread", "child", "daemon", "set_global", "append"]


def _replaced(sick: Sick, count: int) -> bool:
    """As many workers were replaced."""
    return sick.snapshot().replaced == count


@pytest.mark.parametrize("do", LEFT)
async def test_its_worker_is_replaced_before_the_next_call_with_all_it_started(python_sick: Sick, do: str) -> None:
    before = python_sick.workers()
    async with python_sick.others_served():
        for count in (1, 2):
            answer = await python_sick.call(do, [1.0, 2.0])
            wanted = [3.0, 6.0] if do == "set_global" else [2.0, 4.0]
            assert (answer.source, answer.scores.tolist()) == (Source.MODEL, wanted)
            answer = await python_sick.call("score", [1.0, 2.0])
            assert answer.scores.tolist() == [2.0, 4.0]
            await eventually(partial(_replaced, python_sick, count))
        await python_sick.recovers(before - python_sick.workers())
    assert len(before & python_sick.workers()) <= 1


async def test_a_working_directory_is_set_back(python_sick: Sick) -> None:
    before = python_sick.workers()
    answer = await python_sick.call("chdir", [1.0])
    assert answer.source is Source.MODEL
    for _ in range(4):
        assert (await python_sick.call("cwd", [1.0])).scores.tolist() == [1.0]
    assert python_sick.workers() == before


async def test_its_worker_is_stopped_before_it_can_end_and_give_its_processes_away(
    python_sick: Sick, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def late(pid: int, *more: Any) -> None:
        process = psutil.Process(pid)
        ended = {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
        eventually_now(lambda: process.status() in ended)
        found.append(process.status())
        kill_tree(pid, *more)

    monkeypatch.setattr(forked, "kill_tree", late)
    await python_sick.call("daemon")
    await eventually(partial(_replaced, python_sick, 1))
    assert found == [psutil.STATUS_STOPPED]


async def test_a_gateway_that_ends_takes_with_it_what_a_call_has_started_that_still_runs(python_sick: Sick) -> None:
    workers = python_sick.workers()
    hung = asyncio.create_task(python_sick.call("children"))
    started: set[int] = set()

    def two_started() -> bool:
        started.update(child.pid for pid in workers if runs(pid) for child in psutil.Process(pid).children())
        return sum(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in started if runs(pid)) == 2

    await eventually(two_started)
    await python_sick.gateway.close()
    await asyncio.gather(hung, return_exceptions=True)
    await eventually(lambda: not any(runs(pid) for pid in started))


DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    os.chdir("/")
    if (daemon := os.fork()) == 0:
        os.execvp("sleep", ["sleep", "1000"])
    with open("{folder}/daemon", "w") as file:
        print(daemon, file=file)
    os._exit(0)
os.wait()
def predict(x): return x
"""


async def test_a_daemon_that_a_bundle_starts_while_it_is_loaded_ends_with_its_version(tmp_path: Path) -> None:
    accepted = await accept(read_bundle(make_python_bundle(tmp_path / "b", DAEMON.format(folder=tmp_path))))
    daemon = int((tmp_path / "daemon").read_text())
    assert runs(daemon)
    await accepted.backend.close()
    await eventually(lambda: not runs(daemon))
