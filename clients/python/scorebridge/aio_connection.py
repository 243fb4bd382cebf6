"""The asyncio client's connection to the gateways: makes the channel at the first call, and replaces it when needed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from scorebridge.channel import ASKED_S, NOBODY, PROBE, PROBE_S, ChannelPlan
from scorebridge.forks import check_fork, closed, opened
from scorebridge.line import RESOLVE_OFTEN_S, Line, without_address
from scorebridge.way import GivenWay, Way

__all__ = ["AioConnection", "GivenAioChannel"]


class GivenAioChannel(GivenWay):
    """The connection of a client that uses a grpc.aio channel which the caller made and closes."""

    def __init__(self, channel: Any) -> None:
        self._line = Line(channel, "", asyncio=True)
        opened(self._line)

    @asynccontextmanager
    async def line(self, timeout_s: float | None) -> AsyncIterator[Any]:
        """Yields the caller's channel for one call.

        Args:
            timeout_s: not used, because the channel already exists.

        Raises:
            ClientForked: gRPC does not work in this process, a forked child.
        """
        del timeout_s
        check_fork()
        yield self._line.channel

    async def close(self) -> None:
        """Ends the client's use of the channel, which stays open."""
        closed(self._line)


class AioConnection(Way):
    """The asyncio client's own connection, which provides the channel for each call. Belongs to one event loop.

    The host names of several gateways are resolved again every 5 s while calls are made, and when a connection fails;
    if they now have other addresses, later calls go to those. When calls on a connection only reach their deadlines, a
    health check asks whether a gateway is there; if nothing answers, later calls get a new channel. Calls under way
    stay on the channel on which they began.

    Args:
        plan: how the channels are made.
        connected: is called on the event loop when a gateway has answered the health check that is sent on a new
            channel, and after the circuit refused a call.
    """

    def __init__(self, plan: ChannelPlan, connected: Callable[[], None]) -> None:
        self._connected = connected
        self._looking: asyncio.Task[None] | None = None
        self._kept = set[asyncio.Task[None]]()
        super().__init__(plan)

    @asynccontextmanager
    async def line(self, timeout_s: float | None) -> AsyncIterator[Any]:
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
        line = self._line
        if line is None:
            line = await self._first(timeout_s)
        elif self._is_due(RESOLVE_OFTEN_S):
            self._look(suspect=False)
        line.calls += 1
        try:
            yield line.channel
        finally:
            line.calls -= 1
            if line.left and not line.calls:
                self._close_soon(line)

    def _ask_once(self, line: Line) -> None:
        if not line.asked:
            line.asked = True
            self._keep(self._ask(line))

    async def close(self) -> None:
        """Closes the channel, cancels the calls on it, and refuses later calls."""
        self._closed = True
        line, self._line = self._line, None
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        if line is not None:
            self._close_soon(line)
        if self._kept:
            await asyncio.wait(self._kept)

    def forked(self) -> None:
        """Drops the channel in a forked child, whose calls need a channel of its own."""
        # The parent's channel is kept and not closed: closing would wait for threads that the child does not have.
        self._of_parent, self._line = self._line, None
        self._looking = None

    async def _first(self, timeout_s: float | None) -> Line:
        if not self._plan.target.moves:
            self._renew(None, self._plan.target.found())
        else:
            looking = self._look(suspect=False)
            done, _ = await asyncio.wait([looking], timeout=timeout_s)
            if self._line is None and not self._closed:
                raise without_address(self._plan.target, self._unknown if done else None)
        if self._line is None:
            raise RuntimeError("the client is closed")
        return self._line

    def _look(self, *, suspect: bool) -> "asyncio.Task[None]":
        """Starts the task that resolves the names and checks the connection; returns the running one if there is."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._looked(suspect=suspect))
        return self._looking

    async def _looked(self, *, suspect: bool) -> None:
        line, target = self._line, self._plan.target
        try:
            where = await asyncio.to_thread(target.found) if target.moves else target.found()
            if line is None or line.where != where or (suspect and await _is_silent(line.channel)):
                self._renew(line, where)
        except OSError as error:
            self._unknown = error
        finally:
            self._resolved = time.monotonic()

    def _renew(self, old: Line | None, where: str) -> None:
        if self._line is not old or self._closed:
            return
        self._line = line = Line(self._plan.make(where, grpc.aio), where, asyncio=True)
        opened(line)
        if old is not None:
            old.left = True
            if not old.calls:
                self._close_soon(old)
            self._ask_once(line)

    async def _ask(self, line: Line) -> None:
        try:
            await line.channel.unary_unary(PROBE)(b"", timeout=ASKED_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() in NOBODY:
                return
        except (asyncio.CancelledError, grpc.aio.UsageError):
            return  # the client was closed meanwhile
        finally:
            line.asked = False
        self._connected()

    def _close_soon(self, line: Line) -> None:
        self._keep(_close(line))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)


async def _close(line: Line) -> None:
    await line.channel.close(None)
    closed(line)


async def _is_silent(channel: Any) -> bool:
    """Whether a health check gets no answer at all, not even an error; gRPC itself replaces a broken connection."""
    try:
        await channel.unary_unary(PROBE)(b"", timeout=PROBE_S)
    except grpc.RpcError as error:
        return bool(error.code() is grpc.StatusCode.DEADLINE_EXCEEDED)
    except grpc.aio.UsageError:
        return False  # the client was closed meanwhile
    return False
