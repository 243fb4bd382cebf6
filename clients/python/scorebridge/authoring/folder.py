"""The folder of a bundle, which appears whole or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from scorebridge.authoring.conditions import BundleNotWritten

__all__ = ["new_folder"]


@contextmanager
def new_folder(path: str | PathLike[str]) -> Iterator[tuple[Path, Path]]:
    """Gives a folder beside the bundle's to write into, and puts it in its place at the end; after an error removes it.

    Args:
        path: the bundle's folder, which does not exist yet or is empty.

    Yields:
        The folder to write into, and the absolute path that it gets.

    Raises:
        BundleNotWritten: there is a file or a folder with files, or the folder can't be made.
    """
    folder = _checked(path)
    made = [parent for parent in folder.parents if not parent.exists()]
    writing = folder.with_name(f".{folder.name[:100]}.{secrets.token_hex(8)}")
    try:
        try:
            writing.mkdir(parents=True)
        except OSError as error:
            raise BundleNotWritten(f"{folder} can't be made: {error.strerror}") from error
        yield writing, folder
        try:
            writing.rename(folder)  # refused unless the folder is still absent or empty
        except OSError as error:
            raise BundleNotWritten(f"{folder} was made by others meanwhile, and is not written over") from error
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        _remove_empty(made)
        raise


def _checked(path: str | PathLike[str]) -> Path:
    try:
        folder = Path(path).resolve()
        if not folder.exists():
            return folder
        if not folder.is_dir():
            raise BundleNotWritten(f"{folder} exists and is not a folder: remove it, or name another folder")
        full = any(folder.iterdir())
    except (TypeError, ValueError) as error:
        raise BundleNotWritten("folder must be the path of a folder") from error
    except OSError as error:
        raise BundleNotWritten(f"{path} can't be read: {error.strerror}") from error
    if full:
        raise BundleNotWritten(
            f"{folder} exists and is not empty, and a bundle is never written over: remove it, or name another folder"
        )
    return folder


def _remove_empty(folders: list[Path]) -> None:
    """Removes folders that were made for the bundle, the innermost first, as long as nothing else is in them."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
