"""Writes files and folders that appear complete or not at all: they have another name until they are complete."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_or_nothing"]


@contextmanager
def whole_or_nothing(target: Path, check: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """Gives a temporary path beside the target to write to, which replaces the target in one step at the end.

    If the context ends with an error, the temporary file or folder is removed and the target stays as it was. The path
    has the target's suffix, for libraries that choose a format by it.

    Args:
        target: the file to write, which may exist, or the folder to write, which must not.
        check: raises an error if the target may not be written; called last, because writing takes a while.

    Raises:
        OSError: the temporary path can't replace the target.
    """
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        yield partial
        check(target)
        partial.replace(target)
    finally:
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
