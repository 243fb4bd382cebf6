"""The lock of a log's folder, by which one gateway at most writes to it."""

import errno
import fcntl
import os
from pathlib import Path

from bridge.config import ConfigError
from bridge.prediction_log.folder import open_lock

__all__ = ["lock_folder", "require_lockable"]


def lock_folder(folder: Path) -> int:
    """Makes the folder of a log if it is missing, locks it, and returns the descriptor that holds the lock.

    Raises:
        ConfigError: the folder can't be written to, or another gateway writes to it.
    """
    descriptor = -1
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_lock(folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise _refusal(folder, error) from error
    return descriptor


def require_lockable(folder: Path) -> None:
    """Checks that a gateway could lock the folder of a log; makes nothing, and holds the lock for an instant.

    Raises:
        ConfigError: the folder can't be written to, or another gateway writes to it.
    """
    try:
        if not os.path.lexists(folder):
            _require_room(folder.absolute().parent)
        elif not folder.is_dir():
            raise _failure(errno.EEXIST, folder)
        else:
            _try_lock(folder)
    except OSError as error:
        raise _refusal(folder, error) from error


def _require_room(parent: Path) -> None:
    """Checks that a folder, or the nearest one above it that is there, is one in which another can be made."""
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir():
        raise _failure(errno.ENOTDIR, parent)
    _require_writable(parent)


def _try_lock(folder: Path) -> None:
    try:
        descriptor = open_lock(folder, make=False)
    except FileNotFoundError:
        _require_writable(folder)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _require_writable(folder: Path) -> None:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise _failure(errno.EROFS, folder)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise _failure(errno.EACCES, folder)


def _failure(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


def _refusal(folder: Path, error: OSError) -> ConfigError:
    if isinstance(error, BlockingIOError):
        return ConfigError(f"another gateway writes to the log {folder}: set another log_dir")
    return ConfigError(f"the log {folder} can't be written to: {error.strerror}")
