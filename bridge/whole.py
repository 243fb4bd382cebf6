"""Files and folders that appear whole or not at all: they have another name until they are whole."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_or_nothing"]


@contextmanager
def whole_or_nothing(target: Path, check: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """A path beside the target to write to; what is there in the end takes the target's place in one step.

    If the context ends with an error, what was written is removed and the target is what it was. The path ends as the
    target does, for those who tell a file's form by its name.

    Args:
        target: a file, or a folder that does not exist.
        check: raises if the target may not be written; called last, because writing takes a while.

    Raises:
        OSError: what was written can't take the target's place.
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
