"""One Rserve: a parent that has loaded a bundle once, and forks a worker for every connection.

It lives in a process group that a shim of sh leads. The shim reads a pipe whose other end only the gateway holds: at
end of file, however the gateway came to its end, it kills the group. (PDEATHSIG follows the thread that started the
process, and forks don't inherit it.)
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Self

from bridge.backends import NICENESS
from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError, PassingFailure
from bridge.private_folders import make_folder, remove_folder, temporary_files
from bridge.shortages import signal_name

__all__ = ["RserveProcess", "rscripts"]

_BEGUN = "begun"  # a file that rscripts/serve.R makes
_PEAK = re.compile(r"^VmPeak:\s*(\d+) kB$", re.MULTILINE)
_SYSTEM_CONF = Path("/etc/Rserv.conf")
_SHIM = "read _; kill -KILL 0"
_LIMITED = f'ulimit -c 0; [ -z "$1" ] || ulimit -v "$1"; shift; exec nice -n {NICENESS} "$@"'
_MAX_REQUEST_KB = 262_144
_MAX_REPLY_KB = 131_072
# One thread each: OpenMP that ran in the parent before the fork hangs every worker for ever.
_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
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
        memory_limit_mb: the most address space of the parent and of each worker, MiB; None if there is no limit.
    """

    def __init__(
        self, folder: Path, shim: subprocess.Popen[bytes], parent: subprocess.Popen[bytes], memory_limit_mb: int | None
    ) -> None:
        self._folder = folder
        self._shim = shim
        self._parent = parent
        self.memory_limit_mb = memory_limit_mb
        self._peak_mb = 0.0
        self._pidfd = os.pidfd_open(parent.pid)
        self._exited = asyncio.Event()
        self._on_exit: Callable[[], None] | None = None
        asyncio.get_running_loop().add_reader(self._pidfd, self._note_exit)

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
        started: list[subprocess.Popen[bytes]] = []
        try:
            conf = _write_conf(folder)
            shim = _start_shim()
            started.append(shim)
            limit = "" if settings.memory_limit_mb is None else str(settings.memory_limit_mb * 1024)
            parent = subprocess.Popen(  # noqa: ASYNC220, S603 - the arguments are ours
                ["/bin/sh", "-c", _LIMITED, "sh", limit, "R", "CMD", binary, "--vanilla", "--RS-conf", str(conf)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whatever a model prints may hold input values
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=os.environ | _ENVIRONMENT | _bundle_environment(bundle, digest, settings, folder),
                process_group=shim.pid,
            )
            started.append(parent)
            return cls(folder, shim, parent, settings.memory_limit_mb)
        except BaseException:
            _abandon(folder, started)
            raise

    @property
    def socket(self) -> Path:
        """Where workers are to be had; there is one from when the bundle was loaded."""
        return self._folder / "socket"

    @property
    def group(self) -> int:
        """The process group of the parent and of all its workers."""
        return self._shim.pid

    @property
    def pid(self) -> int:
        """The parent's."""
        return self._parent.pid

    @property
    def alive(self) -> bool:
        """The parent runs, so new workers can be had."""
        return not self._exited.is_set()

    @property
    def begun(self) -> bool:
        """R was there with the bridge's code, and began to load the bundle."""
        return (temporary_files(self._folder) / _BEGUN).exists()

    @property
    def exit_code(self) -> int | None:
        """How the parent ended, negative for a signal; None while it runs."""
        return self._parent.returncode

    def note_memory(self) -> float | None:
        """How much of its limit the parent had left at its highest so far, MiB; None if there is no limit.

        Ask now and then while it loads: nobody can say of a process that has ended.
        """
        if self.memory_limit_mb is None:
            return None
        with suppress(OSError):
            found = _PEAK.search(Path(f"/proc/{self.pid}/status").read_text())
            self._peak_mb = max(self._peak_mb, int(found[1]) / 1024 if found else 0.0)
        return self.memory_limit_mb - self._peak_mb

    def worker_folder(self, pid: int) -> Path:
        """The working directory that Rserve made for a worker."""
        return self._folder / "work" / f"conn{pid}"

    def on_exit(self, callback: Callable[[], None]) -> None:
        """Calls back once, when the parent ends by itself; its workers may go on."""
        self._on_exit = callback

    def kill_parent(self) -> None:
        """Ends the parent alone; its workers finish what they have."""
        if self.alive:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def close(self) -> None:
        """Kills the group, waits for the parent's end and removes the folder; idempotent."""
        if not self._folder.exists():
            return
        self._on_exit = None
        _end(self._shim)
        await self._exited.wait()
        os.close(self._pidfd)
        # A worker that is being torn down may still put a file into its folder.
        await asyncio.to_thread(remove_folder, self._folder)
        remove_folder(self._folder)

    def _note_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._parent.wait()
        self._exited.set()
        if self._on_exit is not None:
            self._on_exit()


def _start_shim() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", "-c", _SHIM], stdin=subprocess.PIPE, process_group=0)  # noqa: S603 - a constant


def _write_conf(folder: Path) -> Path:
    conf = folder / "conf"
    conf.write_text(
        _CONF.format(folder=folder, rscripts=rscripts(), max_request_kb=_MAX_REQUEST_KB, max_reply_kb=_MAX_REPLY_KB)
    )
    return conf


def _bundle_environment(bundle: Path, digest: str, settings: ModelSettings, folder: Path) -> dict[str, str]:
    return {
        "SCOREBRIDGE_RSCRIPTS": str(rscripts()),
        "SCOREBRIDGE_BUNDLE": str(bundle.resolve()),
        "SCOREBRIDGE_DIGEST": digest,
        "SCOREBRIDGE_SEED": str(settings.seed),
        "SCOREBRIDGE_INPUT": settings.input,
        "SCOREBRIDGE_ROW_BY_ROW": "1" if settings.row_by_row else "",
        "TMPDIR": str(temporary_files(folder)),
        **settings.world_variables,
    }


def _abandon(folder: Path, started: list[subprocess.Popen[bytes]]) -> None:
    """Leaves nothing of a start that failed: the shim, if it is there, comes first."""
    for process in started[:1]:
        _end(process)
    for process in started[1:]:
        process.wait()
    remove_folder(folder)


def _end(shim: subprocess.Popen[bytes]) -> None:
    """Kills the shim's whole group; the shim, not yet waited for, keeps its number from being anyone else's."""
    os.killpg(shim.pid, signal.SIGKILL)
    if shim.stdin is not None:
        shim.stdin.close()
    shim.wait()
