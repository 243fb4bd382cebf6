"""What a gateway that came to a sudden end has left behind: found by its private folders, which say whose they are."""

import json
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

__all__ = ["make_folder", "private_folder", "remove_folder", "sweep", "temporary_files"]

_log = logging.getLogger(__name__)

_PREFIX = "scorebridge-"
_OWNER = "owner"
_unremoved: set[Path] = set()


def make_folder(use: str) -> Path:
    """A private folder (0700) that says whose it is; its name says what for."""
    _remove_what_is_left()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{use}-"))
    try:
        temporary_files(folder).mkdir()
        (folder / _OWNER).write_text(json.dumps(_identity(psutil.Process())))
    except BaseException:
        remove_folder(folder)
        raise
    return folder


def remove_folder(folder: Path) -> None:
    """Removes a folder with all that is in it; if no descriptor is free to look into it, with the next one.

    See `make_folder`, which tries that again too.
    """
    _unremoved.add(folder)
    _remove_what_is_left()


def _remove_what_is_left() -> None:
    for one in list(_unremoved):
        shutil.rmtree(one, ignore_errors=True)
        if not one.exists():
            _unremoved.discard(one)


@contextmanager
def private_folder(use: str) -> Iterator[Path]:
    """A private folder that is removed, with all that is in it, when the context ends; see `make_folder`."""
    folder = make_folder(use)
    try:
        yield folder
    finally:
        remove_folder(folder)


def temporary_files(folder: Path) -> Path:
    """Where the R processes of a folder put theirs: it is in their environment, and so tells whose they are."""
    return folder / "tmp"


def sweep() -> None:
    """Ends the R processes and removes the folders of gateways that are gone; blocks for some milliseconds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            owner = json.loads((folder / _OWNER).read_text())
            if _identity(psutil.Process(owner["pid"])) == owner:
                continue
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another one's, or just being made
        except psutil.NoSuchProcess:
            pass
        _kill_all(folder)
        shutil.rmtree(folder, ignore_errors=True)
        _log.warning("a gateway that had come to a sudden end had left processes or files, which were removed")


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
                # Once more: the number may have become another's before the pidfd held it.
                if process.is_running():
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)
