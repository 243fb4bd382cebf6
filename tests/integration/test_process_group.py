"""A program in a group of its own: limited, watched, ended with all that it started, and by the gateway's end."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from waiting import eventually, runs

from bridge.workers.process_group import ProcessGroup

Start = Callable[..., ProcessGroup]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts shell scripts, each in a group of its own, which are closed at the end of the test."""
    groups: list[ProcessGroup] = []

    def start(
        script: str, *, niceness: int = 0, memory_limit_mb: int | None = None, **environment: str
    ) -> ProcessGroup:
        groups.append(
            ProcessGroup.start(
                ["/bin/sh", "-c", script],
                folder=tmp_path,
                environment=environment,
                niceness=niceness,
                memory_limit_mb=memory_limit_mb,
            )
        )
        return groups[-1]

    yield start
    for group in groups:
        await group.close()


async def ended(group: ProcessGroup) -> int | None:
    await eventually(lambda: not group.alive)
    return group.exit_code


def members(number: int) -> set[int]:
    found = set()
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == number and runs(pid):
                found.add(pid)
        except ProcessLookupError:
            continue
    return found


async def test_a_program_runs_in_its_folder_with_its_variables_and_priority(start: Start, tmp_path: Path) -> None:
    group = start('printf "%s %s %s" "$PWD" "$WORD" "$(nice)" > said', niceness=7, WORD="a b")
    assert group.alive
    assert await ended(group) == 0
    niceness = os.getpriority(os.PRIO_PROCESS, 0) + 7
    assert (tmp_path / "said").read_text() == f"{tmp_path} a b {niceness}"


async def test_a_program_is_a_member_of_its_group_and_the_gateway_is_not(start: Start) -> None:
    group = start("sleep 1000 & wait")
    await eventually(lambda: len(members(group.number)) == 3)
    assert {group.pid, group.number} < members(group.number)
    assert os.getpgid(0) != group.number


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", -15), ("kill -9 $$", -9)])
async def test_how_a_program_ended_is_its_exit_code(start: Start, script: str, code: int) -> None:
    group = start(script)
    assert await ended(group) == code


async def test_a_program_that_is_not_there_ends_as_a_shell_says(tmp_path: Path) -> None:
    group = ProcessGroup.start(["/no/such/program"], folder=tmp_path, environment={}, niceness=0, memory_limit_mb=None)
    assert await ended(group) == 127
    await group.close()


async def test_who_asked_is_called_once_when_the_program_ends(start: Start) -> None:
    group = start("sleep 1000")
    calls: list[int | None] = []
    group.on_exit(lambda: calls.append(group.exit_code))
    os.kill(group.pid, signal.SIGKILL)
    await ended(group)
    await group.close()
    assert calls == [-9]


async def test_nobody_is_called_when_the_group_is_closed(start: Start) -> None:
    group = start("sleep 1000")
    calls: list[None] = []
    group.on_exit(lambda: calls.append(None))
    await group.close()
    assert (calls, group.alive, group.exit_code) == ([], False, -9)


async def test_the_program_is_killed_alone_and_the_group_with_all(start: Start) -> None:
    group = start("sleep 1000 & sleep 1000 & wait")
    await eventually(lambda: len(members(group.number)) == 4)
    group.kill_program()
    assert await ended(group) == -9
    group.kill_program()  # nobody any more
    assert len(members(group.number)) == 3
    await group.close()
    await group.close()
    await eventually(lambda: not members(group.number))


async def test_closing_that_is_cancelled_closes_all_the_same(start: Start) -> None:
    group = start("sleep 1000")
    closing = asyncio.create_task(group.close())
    await asyncio.wait([asyncio.ensure_future(asyncio.wait([closing], timeout=0))])
    closing.cancel()
    await asyncio.wait([closing])
    assert not group.alive
    await eventually(lambda: not members(group.number))


async def test_a_limit_is_of_address_space_and_what_was_used_of_it_is_known(start: Start, tmp_path: Path) -> None:
    group = start('printf "%s %s" "$(ulimit -v)" "$(ulimit -c)" > part; mv part said; sleep 1000', memory_limit_mb=500)
    await eventually((tmp_path / "said").exists)
    assert (tmp_path / "said").read_text() == f"{500 * 1024} 0"
    left_mb = group.note_memory()
    assert left_mb is not None
    assert 400 < left_mb < 500
    await group.close()
    assert group.note_memory() == left_mb  # nobody can say of one that has ended


async def test_without_a_limit_there_is_nothing_to_know_of_it(start: Start) -> None:
    assert start("exit 0").note_memory() is None


DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from bridge.workers.process_group import ProcessGroup

async def main():
    group = ProcessGroup.start(
        ["/bin/sh", "-c", "sleep 1000 & sleep 1000"],
        folder=Path(sys.argv[1]), environment={}, niceness=0, memory_limit_mb=None,
    )
    print(group.number, flush=True)
    sys.stdin.read(1)
    os.kill(os.getpid(), int(sys.argv[2]))

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_however_the_gateway_ends_the_group_ends_with_it(tmp_path: Path, how: signal.Signals) -> None:
    arguments = ("-c", DIES, str(tmp_path), str(int(how)))
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert gateway.stdin is not None
    assert gateway.stdout is not None
    number = int(await gateway.stdout.readline())
    await eventually(lambda: len(members(number)) == 4)
    gateway.stdin.write(b"!")
    assert await gateway.wait() == -how
    await eventually(lambda: not members(number))


@pytest.mark.parametrize("before", [0, 1])
async def test_a_start_for_which_no_process_is_to_be_had_leaves_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    real, left = subprocess.Popen, [None] * before

    def lacking(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()
            return real(*args, **kwargs)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", lacking)
    with pytest.raises(BlockingIOError, match="temporarily unavailable"):
        start("sleep 1000")
