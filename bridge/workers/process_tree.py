"""Kills a process together with all its descendants."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["kill_tree"]


def kill_tree(pid: int, pidfd: int, group: int, folder: Path) -> None:
    """Kills a worker and every process that it started; blocks for some milliseconds, so call it in a thread.

    Each process is stopped before its children are looked for, so that it can't start another meanwhile. Children whose
    own parent has ended belong to init; they are recognised by their process group and by the worker's folder as their
    working directory.

    Args:
        pid: the worker's process id.
        pidfd: a process file descriptor of the worker, which can't come to mean another process as a number can.
        group: the number of the process group that the worker is in.
        folder: the worker's own working directory.

    Raises:
        OSError: no file descriptor is free to look for all that the worker started; the worker and the processes found
            so far are killed.
    """
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
    victims: dict[int, int] = {}
    try:
        while found := [one for one in _relatives(pid, group, folder) if one not in victims]:
            for one in found:
                with suppress(ProcessLookupError):
                    victims[one] = os.pidfd_open(one)
                    signal.pidfd_send_signal(victims[one], signal.SIGSTOP)
    finally:
        for each in (pidfd, *victims.values()):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(each, signal.SIGKILL)
        for each in victims.values():
            os.close(each)


def _relatives(pid: int, group: int, folder: Path) -> list[int]:
    found: set[int] = set()
    with suppress(psutil.NoSuchProcess):
        found.update(child.pid for child in psutil.Process(pid).children(recursive=True))
    for other in psutil.pids():
        with suppress(OSError):
            if os.getpgid(other) == group and Path(f"/proc/{other}/cwd").readlink() == folder:
                found.add(other)
    found.discard(pid)
    return sorted(found)
