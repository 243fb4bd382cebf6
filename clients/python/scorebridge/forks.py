"""Handles forks: a forked child has none of gRPC's threads, so a call in it would wait for ever, past its deadline."""

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
    """An object that must be repaired in a forked child, such as one with a lock."""

    def forked(self) -> None:
        """Repairs the object in the child, which has one thread; threads of the parent may hold the object's locks."""


_told: "weakref.WeakSet[Any]" = weakref.WeakSet()
_lines: "weakref.WeakSet[Line]" = weakref.WeakSet()  # whose channels are open
_used = False
_kept: dict[int, Any] = {}  # an unconnected channel of this process and of those it was forked from, by their numbers
_stranded = False
_may_begin = threading.Event()
_may_begin.set()
_MOMENT_S = 0.001
_LONGEST_WAIT_S = 2.0  # how long a fork waits for calls under way; if one outlasts it, the child can't use gRPC


def told_of_forks(one: Forking) -> None:
    """Has `forked` of an object called in every forked child from now on. The object is only weakly referenced."""
    _told.add(one)


def opened(line: Line) -> None:
    """Records that the channel of a line is open, and that this process uses gRPC."""
    global _used  # noqa: PLW0603 - of the process
    if os.getpid() not in _kept and _supported():
        # gRPC ends when its last channel is closed, in a thread of its own and with locks held: a child that is forked
        # meanwhile waits for ever when it makes a channel. So there is always one more, until the process ends.
        _kept[os.getpid()] = import_module("grpc").insecure_channel("127.0.0.1:1")
    _used = True
    _lines.add(line)


def closed(line: Line) -> None:
    """Records that the channel of a line is closed."""
    _lines.discard(line)


def check_fork() -> None:
    """Checks that gRPC works in this process; while a fork is under way, waits until it is over.

    Raises:
        ClientForked: this process was forked from one that had used gRPC, and gRPC does not work after such a fork.
    """
    if not _may_begin.is_set():
        _may_begin.wait()
    if _stranded:
        raise ClientForked(
            "gRPC does not work here, because this process was forked from one that had made gRPC calls: make the first"
            " call after the fork, or set GRPC_ENABLE_FORK_SUPPORT=1 before gRPC is imported (this does not help if an"
            " asyncio client was open or a long call was under way at the fork)"
        )


def _before() -> None:
    if not _supported() or not _lines:
        return
    _may_begin.clear()
    ends = time.monotonic() + _LONGEST_WAIT_S
    time.sleep(_MOMENT_S)  # so that calls which have passed check_fork are counted on their lines
    while any(one.calls for one in list(_lines)) and time.monotonic() < ends:
        time.sleep(_MOMENT_S)


def _after_in_parent() -> None:
    _may_begin.set()


def _supported() -> bool:
    # Asks gRPC what it read from the environment at its import: the environment may have changed since.
    return bool(import_module("grpc._cython.cygrpc").is_fork_support_enabled())


def _after_in_child() -> None:
    global _stranded, _may_begin  # noqa: PLW0603 - of the process, as is what they tell
    # Without fork support gRPC fails in the child even if all channels were closed: its threads may still have been
    # ending. With fork support it fails if a call was under way in another thread.
    if _used and (not _supported() or any(one.asyncio or one.calls or one.asked for one in _lines)):
        _stranded = True
    for one in list(_told):
        one.forked()
    _may_begin = threading.Event()  # a thread that exists only in the parent may hold the lock of the old one
    _may_begin.set()


# gRPC, numpy and sockets import these modules during the first call. A fork during such an import would leave the child
# with an import that never ends, so they are imported now.
for late in ("grpc._channel", "grpc.experimental", "numpy.ma", "encodings.idna"):
    import_module(late)

if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
