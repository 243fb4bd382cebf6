"""The lock that keeps a second run out of a run's folder."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from bridge.errors import BridgeError
from bridge.offline.durable import sync_folder

__all__ = ["LOCK", "RunBusy", "locked", "own_folders"]

LOCK = "lock"
_RUN = ".run"
_TRIES = 100  # of a folder that another run removes while this one opens it


class RunBusy(BridgeError):
    """Another run on the same output is under way."""

    reason = "RUN_BUSY"


def own_folders(path: Path) -> list[Path]:
    """Returns the folder of a run and those above it up to the one that ends in `.run`, the innermost first."""
    chain = [path, *path.parents]
    for at, folder in enumerate(chain):
        above = folder.parent.name
        # The value of a partition may end in `.run` as well.
        if folder.name.endswith(_RUN) and "=" not in above and not above.endswith(_RUN):
            return chain[: at + 1]
    return [path]


def locked(path: Path) -> int:
    """Makes the folder with mode 0700, and returns the descriptor that holds its lock; others' folders are never made.

    Raises:
        RunBusy: another process has it; the message names its process id.
        OSError: it can't be made or locked.
    """
    for _ in range(_TRIES):
        for folder in reversed(own_folders(path)):
            with suppress(FileExistsError):
                folder.mkdir(0o700)
        try:
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            if not path.parent.exists():
                raise
            continue  # its last run has just removed it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _stands(path / LOCK, lock):
                with suppress(OSError):  # a disk may be full; then a second run does not know the process, and no more
                    os.ftruncate(lock, 0)
                    os.pwrite(lock, str(os.getpid()).encode(), 0)
                sync_folder(path.parent)
                return lock
        except BlockingIOError as error:
            holder = os.pread(lock, 20, 0).decode(errors="replace") or "unknown"
            os.close(lock)
            raise RunBusy(f"another run on the same output is under way, process {holder}: {path}") from error
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))


def _stands(file: Path, opened: int) -> bool:
    """Whether an open file still has its name; its last run may have removed it since."""
    try:
        return file.stat().st_ino == os.fstat(opened).st_ino
    except FileNotFoundError:
        return False
