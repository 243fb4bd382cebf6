"""Private folders, which name their owner, so that the next process can clean up after one that ended suddenly."""

import json
import os
import signal
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from bridge.events import FOLDER_SWEPT
from bridge.own_log import OwnLog
from bridge.removal import remove_tree

__all__ = ["lend", "make_folder", "private_folder", "remove_folder", "sweep", "temporary_files"]

_log = OwnLog(__name__)

_PREFIX = "scorebridge-"
_OWNER = "owner"
_unremoved: set[Path] = set()
_swept: list[bool] = []  # holds something once this process has looked


def make_folder(use: str) -> Path:
    """Makes a private folder (mode 0700) that names this process as its owner; `use` becomes a part of its name.

    The first time, removes those of processes that are gone: a command that was killed may be the last one for long.
    """
    if not _swept:
        sweep()
    _remove_what_is_left()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{use}-"))
    try:
        temporary_files(folder).mkdir(0o700)
        (folder / _OWNER).write_text(json.dumps(_identity(psutil.Process())))
    except BaseException:
        remove_folder(folder)
        raise
    return folder


def lend(folder: Path, parts: Iterable[Path], uid: int, gid: int) -> None:
    """Gives parts of a private folder to another user, who may then enter the folder, but can't change what it holds.

    Args:
        folder: the private folder.
        parts: folders in it, of mode 0700, that the user is to own.
        uid: the user's number.
        gid: the number of the user's group.

    Raises:
        OSError: this process has no right to give files away.
    """
    for part in parts:
        os.chown(part, uid, gid)
    folder.chmod(0o711)


def remove_folder(folder: Path) -> None:
    """Removes a folder with all that is in it.

    If that fails, as when no file descriptor is free, the next `make_folder` or `remove_folder` tries it again.
    """
    _unremoved.add(folder)
    _remove_what_is_left()


def _remove_what_is_left() -> None:
    for one in list(_unremoved):
        remove_tree(one)
        if not one.exists():
            _unremoved.discard(one)


@contextmanager
def private_folder(use: str) -> Iterator[Path]:
    """Gives a private folder as `make_folder` makes it, and removes it with all that is in it at the end."""
    folder = make_folder(use)
    try:
        yield folder
    finally:
        remove_folder(folder)


def temporary_files(folder: Path) -> Path:
    """Returns the TMPDIR of the processes that use a private folder; `sweep` recognizes them by this variable."""
    return folder / "tmp"


def sweep() -> None:
    """Kills the workers and removes the folders of processes that are gone; blocks for some milliseconds."""
    _swept.append(True)
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            found = folder.lstat()
            if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
                continue  # anybody can put something of such a name there
            owner = json.loads((folder / _OWNER).read_text())
            if _identity(psutil.Process(owner["pid"])) == owner:
                continue
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a folder that is just being made
        except psutil.NoSuchProcess:
            pass
        _kill_all(folder)
        remove_tree(folder)
        _log.say(FOLDER_SWEPT, folder=folder)


def _identity(process: psutil.Process) -> dict[str, float]:
    return {"pid": process.pid, "started": process.create_time()}


def _kill_all(folder: Path) -> None:
    mark = str(temporary_files(folder))
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if process.environ().get("TMPDIR") != mark:
                continue
            pidfd = os.pidfd_open(process.pid)
            try:
                # Checked again: the pid may have passed to another process before the pidfd was opened.
                if process.is_running():
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)
