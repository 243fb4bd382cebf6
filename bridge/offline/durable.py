"""Writes that outlast a crash of the machine, and errors of the file system in a sentence that says what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bridge.errors import BridgeError
from bridge.removal import remove_tree

__all__ = ["NotWritten", "clear", "durable_file", "rename_durably", "said_of", "sentence_of", "sync_folder"]

_FULL = "free some space; the same command then goes on behind what is finished"
_FORBIDDEN = "choose a place where this process may write"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "allow larger files (ulimit -f); the same command then goes on behind what is finished",
    errno.EROFS: _FORBIDDEN,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "name a path whose folders exist",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EXDEV: "the output and its run folder must be on one file system: name an output that is no mount point",
}


class NotWritten(BridgeError):
    """A file of a run can't be written or read; what was finished before is still there."""

    reason = "NOT_WRITTEN"


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """Turns an error of the file system into a NotWritten that names the path, the cause and the remedy.

    Args:
        path: the file or folder that messages name.

    Raises:
        NotWritten: the context raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise NotWritten(sentence_of(path, error)) from error


def sentence_of(path: Path, error: OSError) -> str:
    """Returns a sentence that names the path, the cause and, where one is known, the remedy."""
    cause = error.strerror or str(error).splitlines()[0]
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{path}: {cause}{f': {remedy}' if remedy else ''}"


@contextmanager
def durable_file(path: Path) -> Iterator[BinaryIO]:
    """Gives a new file to write to, which is on the disk at the end; if the context ends with an error, it is removed.

    Args:
        path: the file to write, under a name that nobody takes for a finished one; an old one is replaced.

    Raises:
        OSError: the file can't be written.
    """
    try:
        with path.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def clear(path: Path) -> None:
    """Removes a file, or a folder with all that is in it; does nothing if there is none.

    Raises:
        OSError: it can't be removed.
    """
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
        if path.exists():
            path.rmdir()
    else:
        path.unlink(missing_ok=True)


def rename_durably(source: Path, target: Path) -> None:
    """Gives a file or folder another name, in a way that outlasts a crash; a file that has the name is replaced.

    Raises:
        OSError: the name can't be given.
    """
    source.replace(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk.

    Raises:
        OSError: the folder can't be opened, or the disk fails.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
