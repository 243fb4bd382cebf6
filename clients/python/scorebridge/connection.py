"""The blocking client's way to the gateways: a channel that is made at the first call, and anew where it must be."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc

from scorebridge.channel import ASKED_S, NOBODY, PROBE, PROBE_S, ChannelPlan
from scorebridge.forks import check_fork, closed, opened, told_of_forks
from scorebridge.line import RESOLVE_OFTEN_S, Line, without_address
from scorebridge.way import GivenWay, Way

__all__ = ["Connection", "GivenChannel"]


class GivenChannel(GivenWay):
    """The connection of a client whose caller made the channel, and closes it. May be shared by threads."""

    def __init__(self, channel: Any) -> None:
        self._line = Line(channel, "", asyncio=False)
        self._lock = threading.Lock()
        opened(self._line)
        told_of_forks(self)

    @contextmanager
    def line(self, timeout_s: float | None) -> Iterator[Any]:
        """Gives the caller's channel for one call, and counts the call while it is under way.

        Args:
            timeout_s: not needed: the channel is there.

        Raises:
            ClientForked: gRPC does not work in this process, a forked child.
        """
        del timeout_s
        check_fork()
        with self._lock:
            self._line.calls += 1
        try:
            yield self._line.channel
        finally:
            with self._lock:
                self._line.calls -= 1

    def close(self) -> None:
        """Calls no more on the channel, which stays open."""
        closed(self._line)

    def forked(self) -> None:
        """Puts the lock right in a forked child: it may be held by a thread that is not here."""
        self._lock = threading.Lock()


class Connection(Way):
    """The blocking client's own connection, which has a channel for each call. May be shared by threads.

    The names of several gateways are resolved again every 5 s while calls are made, and when a connection fails; where
    they have other addresses, later calls go there. A connection that brings nothing but expired deadlines is asked
    whether a gateway is there, and left for a new one if nothing answers. Calls under way end where they began.

    Args:
        plan: what the channels are made from.
        connected: is called, from any thread, when a gateway has answered on a connection that was asked for: on a new
            one, or where calls were refused for want of one.
    """

    def __init__(self, plan: ChannelPlan, connected: Callable[[], None]) -> None:
        self._connected = connected
        self._lock = threading.Lock()
        self._known = threading.Event()
        self._looking = False
        super().__init__(plan)

    @contextmanager
    def line(self, timeout_s: float | None) -> Iterator[Any]:
        """Gives the channel for one call, and makes it if it must.

        Args:
            timeout_s: how long the call may wait for the hosts' addresses, seconds; None for ever.

        Raises:
            Unavailable: no host of the target is known.
            DeadlineExceeded: whether the hosts are known was not found out in time.
            ClientForked: gRPC does not work in this process, a forked child.
            RuntimeError: the client is closed.
        """
        check_fork()
        line = self._begun(timeout_s)
        try:
            yield line.channel
        finally:
            with self._lock:
                line.calls -= 1
                over = line.left and not line.calls
            if over:
                _close(line)

    def _ask_once(self, line: Line) -> None:
        with self._lock:
            if line.asked or line.left or self._closed:
                return
            line.asked = True
        try:
            call = line.channel.unary_unary(PROBE).future(b"", timeout=ASKED_S, wait_for_ready=True)
        except ValueError:
            return  # closed meanwhile
        call.add_done_callback(partial(self._told, line))

    def close(self) -> None:
        """Closes the channel: calls under way are cancelled, and there are no more of them."""
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
        if line is not None:
            _close(line)

    def forked(self) -> None:
        """Begins anew in a forked child, whose calls need a channel of its own."""
        self._lock = threading.Lock()
        self._known = threading.Event()
        # Kept: closing it would wait for threads that are not here.
        self._of_parent, self._line = self._line, None
        self._looking = False

    def _told(self, line: Line, call: Any) -> None:
        line.asked = False
        if call.code() not in NOBODY:
            self._connected()

    def _begun(self, timeout_s: float | None) -> Line:
        line = self._line
        if line is None:
            self._first(timeout_s)
        elif self._is_due(RESOLVE_OFTEN_S):
            self._look(suspect=False)
        with self._lock:
            line = self._line
            if line is not None:
                line.calls += 1
                return line
        if self._closed:
            raise RuntimeError("the client is closed")
        raise without_address(self._plan.target, self._unknown if self._known.is_set() else None)

    def _first(self, timeout_s: float | None) -> None:
        if not self._plan.target.moves:
            self._renew(None, self._plan.target.found())
            return
        with self._lock:
            if not self._looking:
                self._known.clear()
        self._look(suspect=False)
        self._known.wait(timeout_s)

    def _look(self, *, suspect: bool) -> None:
        """In a thread, for resolving and asking take their time; one at once."""
        with self._lock:
            if self._looking or self._closed:
                return
            self._looking = True
        threading.Thread(target=self._looked, args=(suspect,), name="scorebridge-connection", daemon=True).start()

    def _looked(self, suspect: bool) -> None:
        line = self._line
        try:
            where = self._plan.target.found()
            if line is None or line.where != where or (suspect and _is_silent(line.channel)):
                self._renew(line, where)
        except OSError as error:
            self._unknown = error
        finally:
            self._resolved = time.monotonic()
            self._looking = False
            self._known.set()

    def _renew(self, old: Line | None, where: str) -> None:
        line = Line(self._plan.make(where, grpc), where, asyncio=False)
        with self._lock:
            taken = self._line is old and not self._closed
            if taken:
                opened(line)
                self._line = line
                if old is not None:
                    old.left = True
            over = old if taken and old is not None and not old.calls else None if taken else line
        if over is not None:
            _close(over)
        if taken and old is not None:
            self._ask_once(line)


def _close(line: Line) -> None:
    line.channel.close()
    closed(line)


def _is_silent(channel: Any) -> bool:
    """Nobody answers, not even with an error; where the connection is known to be broken, gRPC makes it anew."""
    try:
        channel.unary_unary(PROBE)(b"", timeout=PROBE_S)
    except grpc.RpcError as error:
        return bool(error.code() is grpc.StatusCode.DEADLINE_EXCEEDED)
    except ValueError:
        return False  # closed meanwhile
    return False
