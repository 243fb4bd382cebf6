"""One R worker: a forked R process that has the model, and the connection over which calls reach it."""

import asyncio
import errno
import os
from pathlib import Path
from typing import Self

from bridge.backends.r.greeting import Greeting
from bridge.backends.r.worker import RWorker
from bridge.backends.rserve.connection import Connection, ConnectionLost
from bridge.backends.rserve.process import RserveProcess
from bridge.backends.rserve.qap import ProtocolError
from bridge.backends.rserve.rvalues import RList
from bridge.removal import remove_tree
from bridge.shortages import ended_from_outside
from bridge.workers.background import to_the_end
from bridge.workers.process_tree import kill_tree

__all__ = ["Worker"]

_EXIT_STATUS = 49  # of the fields of /proc/PID/stat behind the program's name
_POLL_S = 0.01
_LONGEST_PAUSE_S = 0.25
_MOST_ENDED = 10  # connections that R may end one after the other; with the pauses this takes a second and a half
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


class Worker(RWorker):
    """A forked R process that has the model and scores one call at a time.

    Attributes:
        process: the Rserve that forked the worker.
    """

    def __init__(self, process: RserveProcess, connection: Connection, greeting: Greeting) -> None:
        super().__init__(connection, greeting)
        self.process = process
        self._pidfd = _own(greeting.pid, process.group.number)

    @classmethod
    async def fork(cls, process: RserveProcess) -> Self:
        """Waits until the parent has loaded its bundle, and has it fork a worker.

        There is no time limit; the caller cancels it to set one.

        Raises:
            ConnectionLost: the parent ended, or ended 10 connections in a row before they gave a worker.
            ProtocolError: the process that answered does not run the gateway's R code, or is not the parent's.
            OSError: the gateway has no file descriptor or memory left.
        """
        ended = 0
        while process.alive:
            try:
                connection, value = await Connection.open(process.socket, process.user)
            except ConnectionLost as error:
                # R could not fork, its workers end at once, or it has not read the gateway's R code.
                ended += 1
                if ended == _MOST_ENDED:
                    raise ConnectionLost(f"R accepted {ended} connections in a row and ended each") from error
                await asyncio.sleep(min(_POLL_S * 2**ended, _LONGEST_PAUSE_S))
            except OSError as error:
                if error.errno in _OURS:
                    raise
                process.group.note_memory()
                await asyncio.sleep(_POLL_S)  # it does not listen yet
            else:
                return cls._greeted(process, connection, value)
        raise ConnectionLost("R ended before it accepted a connection")

    @classmethod
    def _greeted(cls, process: RserveProcess, connection: Connection, value: RList) -> Self:
        try:
            return cls(process, connection, Greeting.read(value))
        except ProcessLookupError as error:
            connection.close()
            raise ConnectionLost("the R worker died right after its greeting") from error
        except BaseException:
            connection.close()
            raise

    @property
    def killed(self) -> bool:
        """Whether the gateway has killed the worker or has begun to."""
        return self._pidfd < 0

    async def _ended_from_outside(self) -> bool:
        return ended_from_outside(-self._signal())

    def _signal(self) -> int:
        """Returns the signal that ended the worker, or 0; it is known only until the parent reaps the worker."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[_EXIT_STATUS]) & 0x7F
        except (OSError, ValueError, IndexError):
            return 0

    async def kill(self) -> None:
        """Kills the worker's process and every process that it started, and removes the worker's folder; idempotent.

        A cancellation is raised only after that.

        Raises:
            OSError: the worker is killed, but the processes that it started could not be looked for.
        """
        self.connection.close()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            await to_the_end(asyncio.to_thread(self._kill, pidfd))

    def _kill(self, pidfd: int) -> None:
        folder = self.process.worker_folder(self.pid)
        try:
            kill_tree(self.pid, pidfd, self.process.group.number, folder)
        finally:
            os.close(pidfd)
        # A killed process can't remove its folder itself.
        remove_tree(folder)

    def forget(self) -> None:
        """Closes the connection and the process file descriptor without a kill, where the whole group is killed."""
        self.connection.close()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)


def _own(pid: int, group: int) -> int:
    """Returns a process file descriptor of a worker, which said its number itself and may have lied.

    The gateway may kill whatever it is, also what the worker may not.

    Raises:
        ProtocolError: the process is not in the group of the worker's parent, or it is the gateway's own in that group.
        ProcessLookupError: there is no such process.
    """
    pidfd = os.pidfd_open(pid) if pid > 0 else -1
    try:
        if pidfd >= 0 and os.getpgid(pid) == group != pid:
            own, pidfd = pidfd, -1
            return own
    finally:
        if pidfd >= 0:
            os.close(pidfd)
    raise ProtocolError("the R worker named a process that is not its own")
