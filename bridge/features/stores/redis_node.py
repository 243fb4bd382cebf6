"""One Redis server of a store: trips to it over lent connections, judged by the store's own time limit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bridge.features.stores.connections import CONNECT_S, Connections
from bridge.features.stores.redis_commands import command
from bridge.features.stores.redis_connection import Connection, NoReply, error_word, is_error
from bridge.features.stores.store_circuit import StoreCircuit
from bridge.lookup_errors import StoreUnavailable
from bridge.store_settings import StoreSettings

__all__ = ["Node", "failure_of"]

_OF_A_KEY = ("WRONGTYPE", "MOVED")  # errors that the store itself deals with
_OF_THE_SERVER = ("LOADING", "MASTERDOWN", "BUSY", "NOAUTH")  # all others may be the fault of one group's keys
_REMEDIES = {"NOAUTH": ": it asks for a password_file"}
_MOST_PONG = 1 << 16


class Node:
    """Sends commands to one server, within the bounds of a store's settings.

    Args:
        name: the store's name.
        settings: the store's settings.
        connect: makes a connection to the server, or raises NoReply.
    """

    def __init__(self, name: str, settings: StoreSettings, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._name = f"store '{name}'"
        self.patience_s = settings.trip_s
        self._circuit = StoreCircuit(self._name, settings.failures, settings.open_s, self._ping)
        self._connections = Connections(connect, settings.max_connections, self._circuit.failed)

    @property
    def left_alone(self) -> bool:
        """Whether it failed so often that it is not asked at the moment."""
        return self._circuit.open

    @property
    def state(self) -> str:
        """What keeps the server from answering, in words; empty if nothing is known to."""
        return self._circuit.state

    def start(self) -> None:
        """Begins to connect in the background."""
        self._connections.begin()

    def renew(self) -> None:
        """Makes new connections for what is asked from now on; trips under way finish first."""
        self._connections.renew()

    async def close(self) -> None:
        """Closes all connections; trips under way fail."""
        await self._circuit.close()
        await self._connections.close()

    async def ask(
        self, commands: bytes, replies: int, most_bytes: int, until: float, *, most_items: int = 2
    ) -> list[Any]:
        """Sends commands, and returns their replies; among them may be the errors WRONGTYPE and MOVED.

        The server is judged by the store's own time limit, and not by `until`, which is the call's: a reply that comes
        after `until` or after a cancellation, but within that limit, is no failure.

        Args:
            commands: the bytes of all commands.
            replies: the number of commands.
            most_bytes: the most bytes of all replies.
            until: the instant on the loop's clock until which this may take.
            most_items: the most items that the first reply may have, if it is a list.

        Raises:
            StoreUnavailable: it did not answer until then, or at all; or it answered with another error.
        """
        if self._circuit.open:
            raise StoreUnavailable(f"{self._name} {self._circuit.state}")
        try:
            return await self._trip(commands, replies, most_bytes, until, most_items)
        except NoReply as error:
            raise StoreUnavailable(f"{self._name} {error.did}", limit=error.limit) from error

    async def _trip(self, commands: bytes, replies: int, most_bytes: int, until: float, most_items: int) -> list[Any]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if until <= began:
            raise NoReply("was not asked: the time for it is over", counts=False)
        connection = await self._connections.lease(until)
        if connection is None:
            late = _late("had no free connection within", until - began)
            if self._connections.overdue(self.patience_s):
                self._circuit.failed(late)
            raise late
        waiter: asyncio.Future[list[Any] | NoReply] = loop.create_future()
        trip = _Trip(self._connections, self._circuit, connection, waiter, self.patience_s)
        connection.ask(commands, replies, most_bytes, trip.end, most_items=most_items)
        timer = loop.call_at(until, trip.late, until - began)
        try:
            found = await waiter
        except asyncio.CancelledError:
            trip.leave()
            raise
        finally:
            timer.cancel()
        if isinstance(found, NoReply):
            raise found
        return found

    async def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        connection = await self._connections.lease(loop.time() + CONNECT_S)
        if connection is None:
            raise _late("had no free connection within", CONNECT_S)
        failure: NoReply | None = None
        try:
            async with asyncio.timeout(self.patience_s):
                failure = failure_of(await connection.exchange(command(b"PING"), 1, _MOST_PONG))
        except TimeoutError:
            failure = _late("did not answer within", self.patience_s)
        finally:
            if failure is not None:
                connection.close()
            self._connections.give_back(connection)
        if failure is not None and failure.counts:
            raise failure


class _Trip:
    """What is under way on one connection, also after the call that wanted it has gone."""

    __slots__ = ("_circuit", "_connection", "_connections", "_judged_at", "_patience_s", "_timer", "_waiter")

    def __init__(
        self,
        connections: Connections,
        circuit: StoreCircuit,
        connection: Connection,
        waiter: "asyncio.Future[list[Any] | NoReply]",
        patience_s: float,
    ) -> None:
        self._connections, self._circuit, self._waiter = connections, circuit, waiter
        self._connection: Connection | None = connection
        self._patience_s = patience_s
        self._judged_at = waiter.get_loop().time() + patience_s
        self._timer: asyncio.TimerHandle | None = None

    def end(self, found: list[Any] | NoReply) -> None:
        """Takes what came; a connection whose call has gone, or which failed, is not used again."""
        connection, self._connection = self._connection, None
        if self._timer is not None:
            self._timer.cancel()
        failure = found if isinstance(found, NoReply) else failure_of(found)
        failed = failure is not None and failure.counts
        if failure is not None and failed:
            self._circuit.failed(failure)
        else:
            self._circuit.answered()
        if connection is not None:
            if failed or self._waiter.done():
                connection.close()
            self._connections.give_back(connection)
        if not self._waiter.done():
            self._waiter.set_result(found if failure is None else failure)

    def late(self, after_s: float) -> None:
        """Tells the call that its time is over."""
        if not self._waiter.done():
            self._waiter.set_result(_late("did not answer within", after_s))
            self.leave()

    def leave(self) -> None:
        """Goes on without the call, until the server is judged: its reply may still come."""
        if self._connection is None:
            return
        loop = self._waiter.get_loop()
        if self._judged_at <= loop.time():
            self._overdue()
        else:
            self._timer = loop.call_at(self._judged_at, self._overdue)

    def _overdue(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._circuit.failed(_late("did not answer within", self._patience_s))
            connection.close()
            self._connections.give_back(connection)


def _late(did: str, after_s: float) -> NoReply:
    limit = f"{max(0.0, round(after_s * 1000, 1)):g} ms"
    return NoReply(f"{did} {limit}", limit=limit)


def failure_of(replies: Sequence[Any]) -> NoReply | None:
    """Returns the failure that an error among the replies is; None if there is none but of single keys."""
    for reply in replies:
        if is_error(reply) and (word := error_word(reply)) not in _OF_A_KEY:
            said = f"answers with the error {word}{_REMEDIES.get(word, '')}"
            return NoReply(said, counts=word in _OF_THE_SERVER)
    return None
