"""One worker: a Python process that embeds R, in a process group of its own, and the connection to it."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Self

from bridge.backends import NICENESS
from bridge.backends.r.environment import r_environment
from bridge.backends.r.greeting import Greeting
from bridge.backends.r.worker import RWorker
from bridge.backends.rserve.connection import Connection
from bridge.bundles.settings import ModelSettings
from bridge.private_folders import lend, make_folder, remove_folder, temporary_files
from bridge.r_facts import embedding_command, embedding_environment
from bridge.shortages import ended_from_outside
from bridge.workers.background import to_the_end
from bridge.workers.process_group import ProcessGroup
from bridge.workers.process_tree import kill_tree
from bridge.workers.start_failures import BEGUN
from bridge.workers.user import WorkerUser

__all__ = ["EmbeddedRProcess", "EmbeddedRWorker"]

_CHILD = "bridge.backends.embedded_r.child"
_POLL_S = 0.05
_END_S = 1.0  # how long a process may take to end after its connection has ended


class EmbeddedRProcess:
    """A Python process that embeds R and loads a bundle, its private folder, and our end of the socket to it.

    Attributes:
        language: the language whose interpreter it is.
        folder: the private folder.
        group: the process group; the process is its program.
        loaded: whether the process has loaded its bundle; set by the spawner.
    """

    language = "R"

    def __init__(self, folder: Path, group: ProcessGroup, ours: socket.socket) -> None:
        self.folder = folder
        self.group = group
        self.loaded = False
        self._ours: socket.socket | None = ours
        self._pidfd = os.pidfd_open(group.pid)

    @classmethod
    def start(cls, bundle: Path, digest: str, settings: ModelSettings, user: WorkerUser | None) -> Self:
        """Starts a process, and does not wait for it: its greeting says that it is ready.

        Args:
            bundle: the folder of the bundle.
            digest: the digest of the bundle, which the greeting repeats.
            settings: the model's settings.
            user: the user that the process runs as; None for the caller's own.

        Raises:
            OSError: no process, file descriptor or file can be made.
        """
        folder = make_folder("embedded")
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                work = _prepare(folder, user)
                group = ProcessGroup.start(
                    [*embedding_command(_CHILD), str(theirs.fileno())],
                    folder=work,
                    environment=r_environment(bundle, digest, settings, folder) | embedding_environment(),
                    niceness=NICENESS,
                    memory_limit_mb=settings.memory_limit_mb,
                    user=user,
                    pass_fds=(theirs.fileno(),),
                )
            return cls(folder, group, ours)
        except BaseException:
            ours.close()
            remove_folder(folder)
            raise

    @property
    def begun(self) -> bool:
        """Whether R has started, has read the gateway's R code, and has begun to load the bundle."""
        return (temporary_files(self.folder) / BEGUN).exists()

    async def connect(self) -> Connection:
        """Returns the connection to the process; to be called once.

        Raises:
            OSError: no file descriptor or memory is free.
        """
        ours, self._ours = self._ours, None
        _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, sock=ours)
        return connection

    async def close(self) -> None:
        """Kills the process and every process that it started, and removes the folder; idempotent.

        A cancellation is raised only after that.
        """
        if self._ours is not None:
            self._ours.close()
            self._ours = None
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            await to_the_end(self._close(pidfd))

    async def _close(self, pidfd: int) -> None:
        try:
            await asyncio.to_thread(kill_tree, self.group.pid, pidfd, self.group.number, _work(self.folder))
        finally:
            os.close(pidfd)
            await self.group.close()
            await asyncio.to_thread(remove_folder, self.folder)
            remove_folder(self.folder)


class EmbeddedRWorker(RWorker):
    """A process of its own that embeds R, has the model, and scores one call at a time.

    Attributes:
        process: the process.
        killed: whether the worker was killed, or its kill has begun.
    """

    def __init__(self, process: EmbeddedRProcess, connection: Connection, greeting: Greeting) -> None:
        super().__init__(connection, greeting)
        self.process = process
        self.killed = False

    @classmethod
    async def greeted(cls, process: EmbeddedRProcess) -> Self:
        """Waits until a process has loaded its bundle, or has said why it can't; does not end the process if it fails.

        There is no time limit; the caller cancels it to set one.

        Raises:
            ConnectionLost: the process ended.
            ProtocolError: the process sent something else than a greeting.
            OSError: no file descriptor or memory is free.
        """
        connection = await process.connect()
        greeting = asyncio.ensure_future(connection.greeted())
        try:
            while not greeting.done():
                process.group.note_memory()  # of a process that has ended, it can't be read any more
                await asyncio.wait([greeting], timeout=_POLL_S)
            return cls(process, connection, Greeting.read(greeting.result()))
        except BaseException:
            greeting.cancel()
            connection.close()
            raise

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self.process.group.pid

    async def kill(self) -> None:
        """Kills the worker's process and every process that it started, and removes its folder; idempotent.

        A cancellation is raised only after that.

        Raises:
            OSError: the worker is killed, but the processes that it started could not be looked for.
        """
        self.killed = True
        self.connection.close()
        await self.process.close()

    async def _ended_from_outside(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self.process.group.exited()
        return not self.killed and ended_from_outside(self.process.group.exit_code)


def _work(folder: Path) -> Path:
    return folder / "work"


def _prepare(folder: Path, user: WorkerUser | None) -> Path:
    """Returns the working folder, which is made; another user gets it and R's temporary files, and nothing else."""
    work = _work(folder)
    work.mkdir(0o700)
    if user is not None:
        lend(folder, (work, temporary_files(folder)), user.uid, user.gid)
    return work
