"""Copies a bundle: only files that are in the folder itself, never what a link in it leads to."""

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bridge.errors import BundleError
from bridge.files import parts_of, require_regular, size_text

__all__ = ["copy_files"]

_OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SWAPPED = (errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENXIO)
_KEPT_BITS = 0o755  # whoever can read a file can read its copy, and nobody else can


def copy_files(source: Path, target: Path, names: Sequence[str]) -> None:
    """Copies regular files from one folder into an empty one.

    Args:
        source: the folder to copy from; its own path may be a link.
        target: the empty folder to copy to; its disk must have room for all files.
        names: the relative paths of the files, which were found to be no links.

    Raises:
        BundleError: the disk has not enough room, or a file was replaced or moved after its name was listed.
        OSError: a file can't be read or written.
    """
    size, room = sum((source / name).lstat().st_size for name in names), shutil.disk_usage(target).free
    if size > room:
        raise BundleError(
            f"the bundle has {size_text(size)}, but the repository's disk has only {size_text(room)} free"
        )
    top = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            _copy(top, target, name)
    finally:
        os.close(top)


def _copy(top: int, target: Path, name: str) -> None:
    try:
        descriptor = _opened(top, target, name)
    except OSError as error:
        if error.errno in _SWAPPED:
            raise BundleError(f"{name} was moved or replaced while the bundle was copied: deploy it again") from error
        raise
    found = os.fstat(descriptor)
    try:
        require_regular(found, target / name, name)
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as original:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        mode = stat.S_IMODE(found.st_mode) & _KEPT_BITS | stat.S_IRUSR | stat.S_IWUSR
        with os.fdopen(os.open(target / name, flags, mode), "wb") as copy:
            for part in parts_of(original, name):
                copy.write(part)


def _opened(top: int, target: Path, name: str) -> int:
    """Opens a file folder by folder, so that none on the way can turn into a link, and makes the copy's folders."""
    *folders, last = name.split("/")
    with ExitStack() as opened:
        at = top
        for folder in folders:
            at = os.open(folder, _OPENING | os.O_DIRECTORY, dir_fd=at)
            opened.callback(os.close, at)
            target /= folder
            mode = stat.S_IMODE(os.fstat(at).st_mode) & _KEPT_BITS | stat.S_IRWXU
            target.mkdir(mode, exist_ok=True)
        return os.open(last, _OPENING, dir_fd=at)
