"""What is left of gRPC in a forked child: not its threads, so that a call would wait for ever, past its deadline."""

import os
import threading
import time
import weakref
from importlib import import_module
from typing import Any, Protocol

from scorebridge.errors import ClientForked
from scorebridge.line import Line

__all__ = ["Forking", "check_fork", "closed", "opened", "told_of_forks"]


class Forking(Protocol):
    """What has something to put right in a forked child."""

    def forked(self) -> None:
        """Is called in the child: no other thread is there, and locks may be held by threads that are not."""


_told: "weakref.WeakSet[Any]" = weakref.WeakSet()
_lines: "weakref.WeakSet[Line]" = weakref.WeakSet()  # whose channels are open
_used = False
_stranded = False
_may_begin = threading.Event()
_may_begin.set()
_MOMENT_S = 0.001
_LONGEST_WAIT_S = 2.0  # of a fork, for calls under way; gRPC can't be used in the child of one that does not wait


def told_of_forks(one: Forking) -> None:
    """Has an object's `forked` called in forked children from here on, as long as something else holds the object."""
    _told.add(one)


def opened(line: Line) -> None:
    """Notes that the channel of a line is open, until `closed` notes that it is not."""
    global _used  # noqa: PLW0603 - of the process
    _used = True
    _lines.add(line)


def closed(line: Line) -> None:
    """Notes that the channel of a line is closed."""
    _lines.discard(line)


def check_fork() -> None:
    """Returns if gRPC works in this process.

    Raises:
        ClientForked: it was forked from one that had used gRPC, which can't cope with that.
    """
    if not _may_begin.is_set():
        _may_begin.wait()
    if _stranded:
        raise ClientForked(
            "this process was forked from one that had made a call by gRPC: make none before the fork, or set"
            " GRPC_ENABLE_FORK_SUPPORT=1 before gRPC is imported (which is of no use where a client of asyncio is open,"
            " or a call under way for long)"
        )


def _before() -> None:
    if not _supported() or not _lines:
        return
    _may_begin.clear()
    ends = time.monotonic() + _LONGEST_WAIT_S
    time.sleep(_MOMENT_S)  # for calls that were let through and are not counted yet
    while any(one.calls for one in list(_lines)) and time.monotonic() < ends:
        time.sleep(_MOMENT_S)


def _after_in_parent() -> None:
    _may_begin.set()


def _supported() -> bool:
    # gRPC's own word for what it read when it was imported: the environment may say something else by now.
    return bool(import_module("grpc._cython.cygrpc").is_fork_support_enabled())


def _after_in_child() -> None:
    global _stranded, _may_begin  # noqa: PLW0603 - of the process, as is what they tell
    # Without support, closed channels are no better: gRPC's threads may have been about to end. And a call under way in
    # another thread makes support as good as none.
    if _used and (not _supported() or any(one.asyncio or one.calls or one.asked for one in _lines)):
        _stranded = True
    for one in list(_told):
        one.forked()
    _may_begin = threading.Event()  # the lock of the old one may be held by a thread that is not here
    _may_begin.set()


# They would be imported within a first call, by gRPC, numpy and sockets: a fork in that moment would leave the child an
# import that never ends.
for late in ("grpc._channel", "grpc.experimental", "numpy.ma", "encodings.idna"):
    import_module(late)

if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
