"""One Rserve: a parent that has loaded a bundle once, and forks a worker for every connection."""

import asyncio
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Self

from bridge.backends import NICENESS
from bridge.backends.rserve.header import MAX_REPLY_BYTES, MAX_REQUEST_BYTES
from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError, PassingFailure
from bridge.private_folders import make_folder, remove_folder, temporary_files
from bridge.shortages import signal_name
from bridge.workers.background import to_the_end
from bridge.workers.process_group import ProcessGroup

__all__ = ["RserveProcess", "rscripts"]

_BEGUN = "begun"  # a file that rscripts/serve.R makes
_SYSTEM_CONF = Path("/etc/Rserv.conf")
# One thread each: OpenMP that ran in the parent before the fork hangs every worker for ever.
_ONE_THREAD: Mapping[str, str] = MappingProxyType(
    {
        "MC_CORES": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
)
# A boolean is true only if it begins with 1, y, e or T; unknown keys are ignored without a word.
_CONF = """\
socket {folder}/socket
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


def rscripts() -> Path:
    """The folder of the R side: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "rscripts"
    return installed if installed.is_dir() else package.parent / "rscripts"


@cache
def _rserve_binary() -> str:
    """Rserve's own program; asked for once, before the first Rserve is started, and R takes a quarter of a second.

    Raises:
        BundleError: R or its package Rserve is not installed, or the machine has a configuration of its own for it.
        PassingFailure: R is there, and could not be started now.
    """
    if shutil.which("Rscript") is None or shutil.which("R") is None:
        raise BundleError("R is not installed: there is no Rscript on the PATH")
    # Rserve reads this file before ours, and it could open ports or hand out eval.
    if _SYSTEM_CONF.exists():
        raise BundleError(f"{_SYSTEM_CONF} exists, and every Rserve obeys it; remove it")
    asked = subprocess.run(
        ["Rscript", "--vanilla", "-e", 'cat(system.file("libs", "Rserve", package = "Rserve"))'],  # noqa: S607 - the PATH's R is the one to use
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        raise PassingFailure(f"R could not be started: Rscript ended {signal_name(asked.returncode)}")
    if not asked.stdout:
        raise BundleError("R's package Rserve is not installed")
    return asked.stdout


class RserveProcess:
    """A running Rserve and the private folder (0700) of its socket, workers' folders and R's temporary files.

    Attributes:
        folder: the private one.
        group: the parent, which is its program, and the workers that it forks.
        loaded: it has loaded its bundle, and given a worker; set by whoever got that.
    """

    def __init__(self, folder: Path, group: ProcessGroup) -> None:
        self.folder = folder
        self.group = group
        self.loaded = False

    @classmethod
    async def start(cls, bundle: Path, digest: str, settings: ModelSettings) -> Self:
        """Starts an Rserve that loads this bundle; ready only once a connection was greeted.

        Args:
            bundle: the folder.
            digest: its name, which each worker repeats.
            settings: the model's; `memory_limit_mb`, `seed`, `input`, `row_by_row` and the world to run in
                count here.

        Raises:
            BundleError: R or Rserve is not installed.
            OSError: a process, a descriptor or a file can't be had.
        """
        binary = await asyncio.to_thread(_rserve_binary)
        folder = make_folder("rserve")
        try:
            group = ProcessGroup.start(
                ["R", "CMD", binary, "--vanilla", "--RS-conf", str(_write_conf(folder))],
                folder=folder,
                environment=_environment(bundle, digest, settings, folder),
                niceness=NICENESS,
                memory_limit_mb=settings.memory_limit_mb,
            )
        except BaseException:
            remove_folder(folder)
            raise
        return cls(folder, group)

    @property
    def socket(self) -> Path:
        """Where workers are to be had; there is one from when the bundle was loaded."""
        return self.folder / "socket"

    @property
    def alive(self) -> bool:
        """The parent runs, so new workers can be had."""
        return self.group.alive

    @property
    def begun(self) -> bool:
        """R was there with the bridge's code, and began to load the bundle."""
        return (temporary_files(self.folder) / _BEGUN).exists()

    def worker_folder(self, pid: int) -> Path:
        """The working directory that Rserve made for a worker."""
        return self.folder / "work" / f"conn{pid}"

    async def close(self) -> None:
        """Kills the group, waits for the parent's end and removes the folder; idempotent.

        A cancellation waits until that is done.
        """
        if self.folder.exists():
            await to_the_end(self._close())

    async def _close(self) -> None:
        await self.group.close()
        # A worker that is being torn down may still put a file into its folder.
        await asyncio.to_thread(remove_folder, self.folder)
        remove_folder(self.folder)


def _write_conf(folder: Path) -> Path:
    conf = folder / "conf"
    most = {"max_request_kb": MAX_REQUEST_BYTES >> 10, "max_reply_kb": MAX_REPLY_BYTES >> 10}
    conf.write_text(_CONF.format(folder=folder, rscripts=rscripts(), **most))
    return conf


def _environment(bundle: Path, digest: str, settings: ModelSettings, folder: Path) -> dict[str, str]:
    return {
        **_ONE_THREAD,
        "SCOREBRIDGE_RSCRIPTS": str(rscripts()),
        "SCOREBRIDGE_BUNDLE": str(bundle.resolve()),
        "SCOREBRIDGE_DIGEST": digest,
        "SCOREBRIDGE_SEED": str(settings.seed),
        "SCOREBRIDGE_INPUT": settings.input,
        "SCOREBRIDGE_ROW_BY_ROW": "1" if settings.row_by_row else "",
        "TMPDIR": str(temporary_files(folder)),
        **settings.world_variables,
    }
