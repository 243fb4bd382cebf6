"""A program and its descendants, in a process group that is killed when the gateway ends.

The group is led by a shim of sh, which reads a pipe whose other end only the gateway holds. When the pipe ends, however
the gateway ended, the shim kills the group. (PDEATHSIG would not do: it follows the thread that started the process,
and forks don't inherit it.)
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
from bridge.workers.user import WorkerUser

__all__ = ["ProcessGroup"]

_SHIM = "read _; kill -KILL 0"
_LIMITED = 'ulimit -c 0; [ -z "$1" ] || ulimit -v "$1"; shift; exec nice "$@"'
_PEAK = re.compile(r"^VmPeak:\s*(\d+) kB$", re.MULTILINE)


class ProcessGroup:
    """A program that runs in a process group of its own, together with the processes that it starts.

    Attributes:
        memory_limit_mb: the most address space that each process of the group may have, MiB; None if there is no limit.
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
        user: WorkerUser | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Self:
        """Starts a program with an empty standard input, and drops its output, which may hold values; no core files.

        Args:
            command: the program and its arguments.
            folder: the program's working directory.
            environment: environment variables that are added to the gateway's, or to the user's.
            niceness: by how much the program's priority is lower than the gateway's, 0 to 19.
            memory_limit_mb: the most address space that each process of the group may have, MiB; None for no limit.
            user: the user that the program runs as; None for the gateway's own.
            pass_fds: file descriptors that stay open in the program, under their numbers.

        Raises:
            OSError: no process could be started or no file descriptor is free; what had been started is killed.
        """
        shim = subprocess.Popen(["/bin/sh", "-c", _SHIM], stdin=subprocess.PIPE, process_group=0)  # noqa: S603 - a constant
        started = [shim]
        try:
            limited = _limited(command, niceness, memory_limit_mb)
            started.append(_run(limited, folder, environment, shim.pid, user, pass_fds=pass_fds))
            return cls(shim, started[-1], memory_limit_mb)
        except BaseException:
            _end(shim)
            started[-1].wait()
            raise

    @property
    def number(self) -> int:
        """The number of the process group."""
        return self._shim.pid

    @property
    def pid(self) -> int:
        """The process id of the program."""
        return self._program.pid

    @property
    def alive(self) -> bool:
        """Whether the program still runs; its descendants are not considered."""
        return not self._exited.is_set()

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, or the negative number of the signal that killed it; None while it runs."""
        return self._program.returncode

    async def exited(self) -> None:
        """Waits until the program has ended, and its exit code is known."""
        await self._exited.wait()

    def note_memory(self) -> float | None:
        """Returns how far the program's peak of memory so far was below its limit, MiB; None if there is no limit.

        Call it now and then while the program loads: the peak of a process that has ended can't be read any more.
        """
        if self.memory_limit_mb is None:
            return None
        with suppress(OSError):
            found = _PEAK.search(Path(f"/proc/{self.pid}/status").read_text())
            self._peak_mb = max(self._peak_mb, int(found[1]) / 1024 if found else 0.0)
        return self.memory_limit_mb - self._peak_mb

    def on_exit(self, callback: Callable[[], None]) -> None:
        """Sets the function to call once when the program ends, by itself or by `kill_program`, but not by `close`.

        Processes that the program has started may still run then.
        """
        self._on_exit = callback

    def kill_program(self) -> None:
        """Kills the program alone; the processes that it has started go on."""
        if self.alive:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def close(self) -> None:
        """Kills the whole group and waits until the program has ended; idempotent.

        A cancellation is raised only after that.
        """
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


def _run(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    group: int,
    user: WorkerUser | None,
    *,
    pass_fds: Sequence[int],
) -> subprocess.Popen[bytes]:
    inherited = dict(os.environ) if user is None else user.environment()
    return subprocess.Popen(  # noqa: S603 - the command is ours
        command if user is None else user.command(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**inherited, **environment},
        process_group=group,
        pass_fds=pass_fds,
    )


def _end(shim: subprocess.Popen[bytes]) -> None:
    """Kills the shim's whole group; the number is still the shim's, because nobody has waited for the shim yet."""
    os.killpg(shim.pid, signal.SIGKILL)
    if shim.stdin is not None:
        shim.stdin.close()
    shim.wait()
