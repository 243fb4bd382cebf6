"""Removes folders that others have filled: however deep, and never what a link in them leads to."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["remove_tree"]

_OPENING = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_FOLDERS = 1_000_000  # a process that escaped may add some as fast as they are removed


def remove_tree(folder: Path) -> None:
    """Removes a folder with all that is in it; what can't be removed stays, without an error.

    Needs two file descriptors, whatever is in the folder. (`shutil.rmtree` needs one and a call for each level, and
    raises RecursionError for a thousand.)
    """
    with suppress(OSError):
        top = os.open(folder, _OPENING)
        try:
            _empty(top)
        finally:
            os.close(top)
        folder.rmdir()


def _empty(top: int) -> None:
    """Removes all that is in an open folder: folders in others are first moved up to it."""
    prefix, moved = secrets.token_hex(8), 0
    waiting = _remove_files(top, top, "")
    while waiting and moved < _MOST_FOLDERS:
        name = waiting.pop()
        with suppress(OSError):
            inner = os.open(name, _OPENING, dir_fd=top)
            try:
                found = _remove_files(inner, top, f"{prefix}-{moved}")
            finally:
                os.close(inner)
            moved += 1
            waiting += found
            os.rmdir(name, dir_fd=top)


def _remove_files(folder: int, top: int, prefix: str) -> list[str]:
    """Removes the files of an open folder, moves its folders to `top`, and returns the names that these have there.

    Args:
        folder: the open folder.
        top: the open folder to move to; the same one for folders that are where they should be.
        prefix: how the names of moved folders begin.
    """
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                    continue
                name = f"{prefix}-{len(folders)}" if folder != top else entry.name
                if folder != top:
                    os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=top)
                folders.append(name)
    return folders
