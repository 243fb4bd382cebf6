"""Becomes another user for good, and then a program: `python become.py UID GID GROUP,GROUP PROGRAM ARGUMENT...`.

It is run as a file, in a process of its own: to change the user between a fork and a program's start would need a full
fork of the gateway, which gRPC's threads don't like and which takes long where there is much memory.
"""

import ctypes
import os
import sys
from collections.abc import Sequence

__all__ = ["become"]

_PR_SET_NO_NEW_PRIVS = 38


def become(uid: int, gid: int, groups: Sequence[int], command: Sequence[str]) -> None:
    """Takes on the user and its groups alone, and runs the command in this process's place.

    Neither this process nor what it starts can get rights back, as by a program that runs as its owner.

    Raises:
        OSError: this process has no right to become the user.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # The shell looks for the program on the PATH: Python would import a module for it, which the user may not read.
    os.execv("/bin/sh", ["sh", "-c", 'exec "$@"', "sh", *command])  # noqa: S606 - the command is the caller's


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), [int(group) for group in sys.argv[3].split(",")], sys.argv[4:])
