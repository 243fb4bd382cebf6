"""The blocking client's connection to the gateways: makes the channel at the first call, replaces it when needed."""

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
    """The connection of a client that uses a channel which the caller made and closes. May be shared by threads."""

    def __init__(self, channel: Any) -> None:
        self._line = Line(channel, "", asyncio=False)
        self._lock = threading.Lock()
        opened(self._line)
        told_of_forks(self)

    @contextmanager
    def line(self, timeout_s: float | None) -> Iterator[Any]:
        """Yields the caller's channel for one call, and counts the call while it is under way.

        Args:
            timeout_s: not used, because the channel already exists.

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
        """Ends the client's use of the channel, which stays open."""
        closed(self._line)

    def forked(self) -> None:
        """Makes a new lock in a forked child: a thread that exists only in the parent may hold the old one."""
        self._lock = threading.Lock()


class Connection(Way):
    """The blocking client's own connection, which provides the channel for each call. May be shared by threads.

    The host names of several gateways are resolved again every 5 s while calls are made, and when a connection fails;
    if they now have other addresses, later calls go to those. When calls on a connection only reach their deadlines, a
    health check asks whether a gateway is there; if nothing answers, later calls get a new channel. Calls under way
    stay on the channel on which they began.

    Args:
        plan: how the channels are made.
        connected: is called, from any thread, when a gateway has answered the health check that is sent on a new
            channel, and after the circuit refused a call.
    """

    def __init__(self, plan: ChannelPlan, connected: Callable[[], None]) -> None:
        self._connected = connected
        self._lock = threading.Lock()
        self._known = threading.Event()
        self._looking = False
        super().__init__(plan)

    @contextmanager
    def line(self, timeout_s: float | None) -> Iterator[Any]:
        """Yields the channel for one call, and makes the channel first if there is none.

        Args:
            timeout_s: how long the call may wait for the hosts' addresses, seconds; None for ever.

        Raises:
            Unavailable: none of the target's hosts has a known address.
            DeadlineExceeded: the hosts' addresses were not found within `timeout_s`.
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
            return  # the client was closed meanwhile
        call.add_done_callback(partial(self._told, line))

    def close(self) -> None:
        """Closes the channel, cancels the calls on it, and refuses later calls."""
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
        if line is not None:
            _close(line)

    def forked(self) -> None:
        """Drops the channel in a forked child, whose calls need a channel of its own."""
        self._lock = threading.Lock()
        self._known = threading.Event()
        # The parent's channel is kept and not closed: closing would wait for threads that the child does not have.
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
        """Starts the thread that resolves the names and checks the connection, unless one is running: both may wait."""
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
    """Whether a health check gets no answer at all, not even an error; gRPC itself replaces a broken connection."""
    try:
        channel.unary_unary(PROBE)(b"", timeout=PROBE_S)
    except grpc.RpcError as error:
        return bool(error.code() is grpc.StatusCode.DEADLINE_EXCEEDED)
    except ValueError:
        return False  # the client was closed meanwhile
    return False
