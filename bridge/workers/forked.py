"""A worker that its parent has forked: one process in the parent's group, with a working folder of its own."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from bridge.removal import remove_tree
from bridge.workers.background import to_the_end
from bridge.workers.exchange import ProtocolError
from bridge.workers.process_tree import kill_tree

__all__ = ["ForkedProcess"]

_EXIT_STATUS = 49  # of the fields of /proc/PID/stat behind the program's name


class ForkedProcess:
    """A forked process, which the gateway may kill together with all that it started.

    Attributes:
        pid: the process id.
        group: the number of the process group of the parent, in which the process is.
        folder: the process' own working directory.
    """

    def __init__(self, pid: int, group: int, folder: Path) -> None:
        """Takes a process that named its number itself, and may have lied: the gateway may kill whatever it is.

        Raises:
            ProtocolError: the process is not in the group of its parent, or it is the gateway's own in that group.
            ProcessLookupError: there is no such process.
        """
        self.pid, self.group, self.folder = pid, group, folder
        self._pidfd = _own(pid, group)
        self._killing: asyncio.Task[None] | None = None

    @property
    def killed(self) -> bool:
        """Whether the gateway has killed the process or has begun to."""
        return self._pidfd < 0

    def signal(self) -> int:
        """Returns the signal that ended the process, or 0; it is known only until the parent reaps the process."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[_EXIT_STATUS]) & 0x7F
        except (OSError, ValueError, IndexError):
            return 0

    def begin_kill(self) -> None:
        """Begins to kill the process and every process that it started; to be followed by `kill`.

        The process does nothing more from now on. Call this before its connection is closed: a process that ends by
        itself, as one does whose connection is closed, gives all that it started away to init, where nobody finds it.
        """
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
            self._killing = asyncio.get_running_loop().create_task(asyncio.to_thread(self._kill, pidfd))

    async def kill(self) -> None:
        """Kills the process and every process that it started, and removes its folder; idempotent.

        A cancellation is raised only after that.

        Raises:
            OSError: the process is killed, but the processes that it started could not be looked for.
        """
        self.begin_kill()
        if self._killing is not None:
            await to_the_end(_end_of(self._killing))

    def _kill(self, pidfd: int) -> None:
        try:
            kill_tree(self.pid, pidfd, self.group, self.folder)
        finally:
            os.close(pidfd)
        # A killed process can't remove its folder itself.
        remove_tree(self.folder)

    def forget(self) -> None:
        """Closes the process file descriptor without a kill, where the whole group is killed."""
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)


async def _end_of(task: asyncio.Task[None]) -> None:
    await task


def _own(pid: int, group: int) -> int:
    """Returns a process file descriptor of a process of this group that does not lead it; see `ForkedProcess`."""
    pidfd = os.pidfd_open(pid) if pid > 0 else -1
    try:
        if pidfd >= 0 and os.getpgid(pid) == group != pid:
            own, pidfd = pidfd, -1
            return own
    finally:
        if pidfd >= 0:
            os.close(pidfd)
    raise ProtocolError("the worker named a process that is not its own")
