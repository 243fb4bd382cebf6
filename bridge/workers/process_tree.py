"""Finds the descendants of a process, and kills a process together with all of them."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["descendants", "kill_tree"]

_STARTED = 19  # of the fields of /proc/PID/stat, counted from the state
_AT_WORK = ("R", "S")  # what a process is in that was sent SIGSTOP and has not come to see it
_MOST_ROUNDS = 1000
_PAUSE_S = 0.002
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
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (thread / "children").read_text().split())
    return found


def kill_tree(pid: int, pidfd: int, group: int, folder: Path) -> None:
    """Kills a worker and every process that it started; blocks for some milliseconds, so call it in a thread.

    Each process is stopped before its children are looked for, so that it can't start another meanwhile, and none is
    killed before all are stopped. Children whose own parent has ended belong to init, unless the worker is their
    subreaper; they are recognised by their process group and by the worker's folder as their working directory.

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
    victims: dict[int, str] = {}
    try:
        _stop_all(pid, group, folder, victims)
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for one, started in victims.items():
            with suppress(OSError):
                _send(one, signal.SIGKILL, started)


def _stop_all(pid: int, group: int, folder: Path, victims: dict[int, str]) -> None:
    """Stops what a worker has started until nothing new is found.

    Args:
        pid: the worker's process id.
        group: the number of its process group.
        folder: its working directory.
        victims: gets the numbers of the processes, each with when it was started.
    """
    seen = {pid}
    for _ in range(_MOST_ROUNDS):
        # One that was about to end when it was stopped gives its children away, perhaps to one that was looked at.
        settled = all(_state(one) not in _AT_WORK for one in (pid, *victims))
        count = len(seen)
        for found in (descendants(pid), _strays(group, folder)):
            for one in found:
                if one not in seen:
                    seen.add(one)
                    with suppress(
                        ProcessLookupError, PermissionError
                    ):  # it has ended, or is of a user with more rights
                        victims[one] = _send(one, signal.SIGSTOP)
        if settled and len(seen) == count:
            return
        if len(seen) == count:
            time.sleep(_PAUSE_S)


def _send(pid: int, number: signal.Signals, started: str = "") -> str:
    """Sends a signal to a process, and returns when the process was started, in the kernel's own words.

    If `started` is given, the process gets it only if it is the one that was started then.
    """
    pidfd = os.pidfd_open(pid)  # not kept: there may be thousands, and a gateway needs descriptors for its calls
    try:
        found = _stat(pid)[_STARTED]
        if started in {"", found}:
            signal.pidfd_send_signal(pidfd, number)
        return found
    finally:
        os.close(pidfd)


def _state(pid: int) -> str:
    """Returns the letter of the state that a process is in; empty if it has ended."""
    try:
        return _stat(pid)[0]
    except ProcessLookupError:
        return ""


def _stat(pid: int) -> list[str]:
    """Returns what the kernel says of a process, from its state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"process {pid} has ended") from error


def _strays(group: int, folder: Path) -> Iterator[int]:
    """Yields the processes of a group whose working directory is the worker's own, whoever their parent is."""
    for other in psutil.pids():
        with suppress(OSError):
            if os.getpgid(other) == group and Path(f"/proc/{other}/cwd").readlink() == folder:
                yield other
