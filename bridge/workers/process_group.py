"""A program and all that descends from it, in a process group that ends with the gateway.

The group is led by a shim of sh, which reads a pipe whose other end only the gateway holds: at end of file, however the
gateway came to its end, it kills the group. (PDEATHSIG follows the thread that started the process, and forks don't
inherit it.)
"""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from bridge.workers.background import to_the_end

__all__ = ["ProcessGroup"]

_SHIM = "read _; kill -KILL 0"
_LIMITED = 'ulimit -c 0; [ -z "$1" ] || ulimit -v "$1"; shift; exec nice "$@"'
_PEAK = re.compile(r"^VmPeak:\s*(\d+) kB$", re.MULTILINE)


class ProcessGroup:
    """A program that runs in a group of its own, and whose children stay in it.

    Attributes:
        memory_limit_mb: the most address space of each of its processes, MiB; None if there is no limit.
    """

    def __init__(
        self, shim: subprocess.Popen[bytes], program: subprocess.Popen[bytes], memory_limit_mb: int | None
    ) -> None:
        self._shim = shim
        self._program = program
        self.memory_limit_mb = memory_limit_mb
        self._peak_mb = 0.0
        self._pidfd = os.pidfd_open(program.pid)
        self._exited = asyncio.Event()
        self._closed = False
        self._on_exit: Callable[[], None] | None = None
        asyncio.get_running_loop().add_reader(self._pidfd, self._note_exit)

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        niceness: int,
        memory_limit_mb: int | None,
    ) -> Self:
        """Starts the program, which reads nothing and whose output is dropped: it may hold input values.

        Args:
            command: the program and its arguments.
            folder: its working directory.
            environment: its variables, beside those of the gateway.
            niceness: by how much its priority is lower than the gateway's, 0 to 19.
            memory_limit_mb: the most address space of each of its processes, MiB; None for no limit. They leave no core
                files.

        Raises:
            OSError: a process or a descriptor can't be had; nothing is left of the start.
        """
        shim = subprocess.Popen(["/bin/sh", "-c", _SHIM], stdin=subprocess.PIPE, process_group=0)  # noqa: S603 - a constant
        started = [shim]
        try:
            limited = _limited(command, niceness, memory_limit_mb)
            started.append(_run(limited, folder, environment, shim.pid))
            return cls(shim, started[-1], memory_limit_mb)
        except BaseException:
            _end(shim)
            started[-1].wait()
            raise

    @property
    def number(self) -> int:
        """The process group's own."""
        return self._shim.pid

    @property
    def pid(self) -> int:
        """The program's."""
        return self._program.pid

    @property
    def alive(self) -> bool:
        """The program runs."""
        return not self._exited.is_set()

    @property
    def exit_code(self) -> int | None:
        """How the program ended, negative for a signal; None while it runs."""
        return self._program.returncode

    def note_memory(self) -> float | None:
        """How much of its limit the program had left at its highest so far, MiB; None if there is no limit.

        Ask now and then while it loads: nobody can say of a process that has ended.
        """
        if self.memory_limit_mb is None:
            return None
        with suppress(OSError):
            found = _PEAK.search(Path(f"/proc/{self.pid}/status").read_text())
            self._peak_mb = max(self._peak_mb, int(found[1]) / 1024 if found else 0.0)
        return self.memory_limit_mb - self._peak_mb

    def on_exit(self, callback: Callable[[], None]) -> None:
        """Calls back once, when the program ends by itself or by `kill_program`; what it has started may go on."""
        self._on_exit = callback

    def kill_program(self) -> None:
        """Ends the program alone; what it has started goes on."""
        if self.alive:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def close(self) -> None:
        """Kills the group and waits for the program's end; idempotent. A cancellation waits until that is done."""
        self._on_exit = None
        if not self._closed:
            self._closed = True
            await to_the_end(self._close())

    async def _close(self) -> None:
        _end(self._shim)
        await self._exited.wait()
        os.close(self._pidfd)

    def _note_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._program.wait()
        self._exited.set()
        if self._on_exit is not None:
            self._on_exit()


def _limited(command: Sequence[str], niceness: int, memory_limit_mb: int | None) -> list[str]:
    limit_kb = "" if memory_limit_mb is None else str(memory_limit_mb * 1024)
    return ["/bin/sh", "-c", _LIMITED, "sh", limit_kb, f"-n{niceness}", *command]


def _run(command: list[str], folder: Path, environment: Mapping[str, str], group: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=os.environ | environment,
        process_group=group,
    )


def _end(shim: subprocess.Popen[bytes]) -> None:
    """Kills the shim's whole group; the shim, not yet waited for, keeps its number from being anyone else's."""
    os.killpg(shim.pid, signal.SIGKILL)
    if shim.stdin is not None:
        shim.stdin.close()
    shim.wait()
