"""One Rserve: a parent process that loads a bundle once, and forks a worker for every connection."""

import asyncio
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Self

from bridge.backends import NICENESS
from bridge.backends.r.environment import r_environment
from bridge.backends.rserve.header import MAX_REPLY_BYTES, MAX_REQUEST_BYTES
from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError, PassingFailure
from bridge.private_folders import lend, make_folder, remove_folder, temporary_files
from bridge.r_facts import rscripts
from bridge.shortages import signal_name
from bridge.workers.background import to_the_end
from bridge.workers.process_group import ProcessGroup
from bridge.workers.start_failures import BEGUN
from bridge.workers.user import WorkerUser

__all__ = ["RserveProcess"]

_WORK, _CONF_NAME = "work", "conf"
_SYSTEM_CONF = Path("/etc/Rserv.conf")
# Rserve takes a boolean as true only if it begins with 1, y, e or T, and ignores unknown keys without a message.
_CONF = """\
socket {folder}/work/socket
sockmod 0600
workdir {folder}/work
remote disable
daemon disable
interactive no
encoding utf8
fileio disable
shutdown disable
qap.oc enable
msg.id enable
maxinbuf {max_request_kb}
maxsendbuf {max_reply_kb}
source {rscripts}/serve.R
"""


@cache
def _rserve_binary(user: WorkerUser | None) -> str:
    """Returns the path of Rserve's program. Asks R for it, which takes a quarter of a second, only once for each user.

    Args:
        user: the user that Rserve will run as; None for the gateway's own.

    Raises:
        BundleError: R or its package Rserve is not installed, or the machine has a configuration file for Rserve.
        PassingFailure: R is installed, but could not be started now.
    """
    if shutil.which("Rscript") is None or shutil.which("R") is None:
        raise BundleError("R is not installed: there is no R or no Rscript on the PATH")
    # Rserve reads this file before the gateway's, and it could open ports or hand out eval.
    if _SYSTEM_CONF.exists():
        raise BundleError(f"{_SYSTEM_CONF} exists, which every Rserve obeys before the gateway's settings: remove it")
    asking = ["Rscript", "--vanilla", "-e", 'cat(system.file("libs", "Rserve", package = "Rserve"))']
    asked = subprocess.run(  # noqa: S603 - a constant
        asking if user is None else user.command(asking),
        cwd="/",
        env=None if user is None else user.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        raise PassingFailure(f"R could not be started: Rscript ended {signal_name(asked.returncode)}")
    if not asked.stdout:
        where = "" if user is None else f" where {user.name} (worker_user) can read it"
        raise BundleError(f'R\'s package Rserve is not installed{where}: install it in R by install.packages("Rserve")')
    return asked.stdout


class RserveProcess:
    """A running Rserve, and its private folder with the socket, the workers' folders and R's temporary files.

    Attributes:
        language: the language whose interpreter it is.
        folder: the private folder.
        user: the user that Rserve and its workers run as; None for the gateway's own.
        group: the process group of the parent and of the workers that it forks; the parent is its program.
        loaded: whether the parent has loaded its bundle and given a worker; set by the spawner.
    """

    language = "R"

    def __init__(self, folder: Path, group: ProcessGroup, user: WorkerUser | None) -> None:
        self.folder = folder
        self.user = user
        self.group = group
        self.loaded = False

    @classmethod
    async def start(cls, bundle: Path, digest: str, settings: ModelSettings, user: WorkerUser | None = None) -> Self:
        """Starts an Rserve that loads this bundle, and does not wait for it: the first greeting says that it is ready.

        Args:
            bundle: the folder of the bundle.
            digest: the digest of the bundle, which each worker repeats in its greeting.
            settings: the model's settings, of which `memory_limit_mb`, `seed`, `input`, `row_by_row` and the world are
                used.
            user: the user that Rserve and its workers run as; None for the gateway's own.

        Raises:
            BundleError: R or Rserve is not installed, or the machine has a configuration file for Rserve.
            OSError: no process, file descriptor or file can be made.
        """
        binary = await asyncio.to_thread(_rserve_binary, user)
        folder = make_folder("rserve")
        try:
            _prepare(folder, user)
            group = ProcessGroup.start(
                ["R", "CMD", binary, "--vanilla", "--RS-conf", str(folder / _CONF_NAME)],
                folder=folder,
                environment=r_environment(bundle, digest, settings, folder),
                niceness=NICENESS,
                memory_limit_mb=settings.memory_limit_mb,
                user=user,
            )
        except BaseException:
            remove_folder(folder)
            raise
        return cls(folder, group, user)

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
        """Whether R has started, has read the gateway's R code, and has begun to load the bundle."""
        return (temporary_files(self.folder) / BEGUN).exists()

    def worker_folder(self, pid: int) -> Path:
        """Returns the working directory that Rserve made for the worker with this process id."""
        return self.folder / _WORK / f"conn{pid}"

    async def close(self) -> None:
        """Kills the parent and its workers, waits for the parent's end, and removes the folder; idempotent.

        A cancellation is raised only after that.
        """
        if self.folder.exists():
            await to_the_end(self._close())

    async def _close(self) -> None:
        await self.group.close()
        # A worker that is being torn down may still put a file into its folder.
        await asyncio.to_thread(remove_folder, self.folder)
        remove_folder(self.folder)


def _prepare(folder: Path, user: WorkerUser | None) -> None:
    """Fills the private folder; another user gets what R writes to, and can only read the rest."""
    work, conf = folder / _WORK, folder / _CONF_NAME
    work.mkdir(0o700)
    most = {"max_request_kb": MAX_REQUEST_BYTES >> 10, "max_reply_kb": MAX_REPLY_BYTES >> 10}
    conf.write_text(_CONF.format(folder=folder, rscripts=rscripts(), **most))
    if user is not None:
        conf.chmod(0o644)  # whatever the gateway's umask is
        lend(folder, (work, temporary_files(folder)), user.uid, user.gid)
