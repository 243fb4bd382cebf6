"""Finds the descendants of a process, and kills a process together with all of them."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["descendants", "kill_tree"]

_MOST_STOPPED = 128  # each takes a file descriptor, of which a gateway that serves calls must keep some
_KERNEL_LISTS = Path(f"/proc/self/task/{os.getpid()}/children").exists()


def descendants(pid: int) -> Iterator[int]:
    """Yields the process ids of what a process has started, and of what these have; some 20 microseconds for each.

    The children of a process are read after its own number was yielded, so that who stops each process first misses
    none of its children. Those whose own parent has ended are among them only if the process is their subreaper.
    """
    if not _KERNEL_LISTS:  # a kernel that was built without these lists: milliseconds, whatever is found
        with suppress(psutil.NoSuchProcess):
            yield from (child.pid for child in psutil.Process(pid).children(recursive=True))
        return
    waiting, seen = [pid], {pid}
    while waiting:
        for child in _children(waiting.pop()):
            if child not in seen:
                seen.add(child)
                yield child
                waiting.append(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{thread}/children") as listed:
                found += map(int, listed.read().split())
    return found


def kill_tree(pid: int, pidfd: int, group: int, folder: Path) -> None:
    """Kills a worker and every process that it started; blocks for some milliseconds, so call it in a thread.

    Each process is stopped before its children are looked for, so that it can't start another meanwhile; where there
    are very many, each further one is killed at once. Children whose own parent has ended belong to init, unless the
    worker is their subreaper; they are recognised by their process group and by the worker's folder as their working
    directory.

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
    stopped: list[int] = []
    try:
        _stop_all(pid, group, folder, stopped)
    finally:
        for each in (pidfd, *stopped):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(each, signal.SIGKILL)
        for each in stopped:
            os.close(each)


def _stop_all(pid: int, group: int, folder: Path, stopped: list[int]) -> None:
    """Stops or kills what a worker has started, until nothing new is found; adds descriptors of what was stopped."""
    seen = {pid}
    while True:
        count = len(seen)
        for found in (descendants(pid), _strays(group, folder)):
            for one in found:
                if one not in seen:
                    seen.add(one)
                    with suppress(ProcessLookupError):
                        _stop(one, stopped)
        if len(seen) == count:
            return


def _stop(pid: int, stopped: list[int]) -> None:
    pidfd = os.pidfd_open(pid)
    if len(stopped) < _MOST_STOPPED:
        stopped.append(pidfd)
        signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)


def _strays(group: int, folder: Path) -> Iterator[int]:
    """Yields the processes of a group whose working directory is the worker's own, whoever their parent is."""
    for other in psutil.pids():
        with suppress(OSError):
            if os.getpgid(other) == group and Path(f"/proc/{other}/cwd").readlink() == folder:
                yield other
