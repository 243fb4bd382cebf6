"""One parent: an interpreter that loads a bundle once, and forks a worker for every connection."""

import asyncio
import os
from pathlib import Path
from typing import Self

from scorebridge.runner.environment import ONE_THREAD

from bridge.backends import NICENESS
from bridge.bundles.settings import ModelSettings
from bridge.model_events import WORKER_LEFT_PROCESSES
from bridge.own_log import OwnLog
from bridge.private_folders import lend, make_folder, remove_folder, temporary_files
from bridge.pythons import runner_command, runner_environment
from bridge.workers.background import to_the_end
from bridge.workers.process_group import ProcessGroup
from bridge.workers.process_tree import kill_tree
from bridge.workers.start_failures import BEGUN
from bridge.workers.user import WorkerUser

__all__ = ["PythonProcess"]

_log = OwnLog(__name__)

_WORK = "work"


class PythonProcess:
    """A running parent, and its private folder with the socket, the workers' folders and temporary files.

    Attributes:
        language: the language whose interpreter it is.
        folder: the private folder.
        user: the user that the parent and its workers run as; None for the gateway's own.
        group: the process group of the parent and of the workers that it forks; the parent is its program.
        loaded: whether the parent has loaded its bundle and given a worker; set by the spawner.
    """

    language = "Python"

    def __init__(self, folder: Path, group: ProcessGroup, user: WorkerUser | None, version: str) -> None:
        self.folder = folder
        self._version = version
        self.user = user
        self.group = group
        self.loaded = False

    @classmethod
    def start(
        cls, interpreter: Path, bundle: Path, digest: str, settings: ModelSettings, user: WorkerUser | None = None
    ) -> Self:
        """Starts a parent that loads this bundle, and does not wait for it: the first greeting says that it is ready.

        Args:
            interpreter: the path of the Python program that loads the bundle.
            bundle: the folder of the bundle.
            digest: the digest of the bundle, which each worker repeats in its greeting.
            settings: the model's settings, of which `memory_limit_mb`, `seed`, `input`, `row_by_row` and `timezone`
                are used.
            user: the user that the parent and its workers run as; None for the gateway's own.

        Raises:
            OSError: no process, file descriptor or file can be made.
        """
        folder = make_folder("python")
        try:
            work = folder / _WORK
            work.mkdir(0o700)
            if user is not None:
                lend(folder, (work, temporary_files(folder)), user.uid, user.gid)
            group = ProcessGroup.start(
                runner_command(interpreter, "start", str(work / "socket")),
                folder=work,
                environment=_environment(bundle, digest, settings, folder),
                niceness=NICENESS,
                memory_limit_mb=settings.memory_limit_mb,
                user=user,
            )
        except BaseException:
            remove_folder(folder)
            raise
        return cls(folder, group, user, f"{bundle.parent.name}/{bundle.name}")

    @property
    def socket(self) -> Path:
        """The unix socket that forks a worker for each connection; it exists once the bundle has been loaded."""
        return self.folder / _WORK / "socket"

    @property
    def alive(self) -> bool:
        """Whether the parent runs, so that it can fork workers."""
        return self.group.alive

    @property
    def begun(self) -> bool:
        """Whether the interpreter has started, has read our own code, and has begun to load the bundle."""
        return (temporary_files(self.folder) / BEGUN).exists()

    def worker_folder(self, pid: int) -> Path:
        """Returns the working directory that the worker with this process id has made for itself."""
        return self.folder / _WORK / f"worker{pid}"

    async def close(self) -> None:
        """Kills the parent and its workers, waits for the parent's end, and removes the folder; idempotent.

        A cancellation is raised only after that.
        """
        if self.folder.exists():
            await to_the_end(self._close())

    async def _close(self) -> None:
        try:
            if self.alive:
                await self._kill_tree(os.pidfd_open(self.group.pid))
        except OSError as error:
            _log.say(WORKER_LEFT_PROCESSES, pid=self.group.pid, version=self._version, error=error)
        await self.group.close()
        remove_folder(self.folder)

    async def _kill_tree(self, pidfd: int) -> None:
        """Kills the parent, its workers, and the daemons of both, which left the group and belong to the parent."""
        try:
            await asyncio.to_thread(kill_tree, self.group.pid, pidfd, self.group.number, self.folder / _WORK)
        finally:
            os.close(pidfd)


def _environment(bundle: Path, digest: str, settings: ModelSettings, folder: Path) -> dict[str, str]:
    """Returns the variables by which the runner learns which bundle to load, and how; see scorebridge.runner.start."""
    return {
        **runner_environment(os.environ),
        **ONE_THREAD,
        "SCOREBRIDGE_BUNDLE": str(bundle.resolve()),
        "SCOREBRIDGE_DIGEST": digest,
        "SCOREBRIDGE_SEED": str(settings.seed),
        "SCOREBRIDGE_INPUT": settings.input,
        "SCOREBRIDGE_ROW_BY_ROW": "1" if settings.row_by_row else "",
        "SCOREBRIDGE_BEGUN": str(temporary_files(folder) / BEGUN),
        "TMPDIR": str(temporary_files(folder)),
        "TZ": settings.timezone or "UTC",
    }
