"""Reads small files that others may have put there: regular files only, each up to a limit."""

import os
import stat

__all__ = ["read_small"]

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read_small(path: str, most_bytes: int) -> tuple[bytes, os.stat_result]:
    """Reads a whole regular file, also through links; never waits for the other end of a FIFO.

    Args:
        path: the path of the file.
        most_bytes: the most bytes that the file may have.

    Returns:
        The content, and the file's status from before it was read.

    Raises:
        ValueError: it is not a regular file, or has more than `most_bytes`; the message names the file.
        OSError: it can't be read.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise ValueError(f"{path} is larger than {most_bytes} bytes")
    return content, found
