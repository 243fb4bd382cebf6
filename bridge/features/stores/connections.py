"""The connections to one Redis server: few, lent to one trip at a time, and made in the background."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from bridge.features.stores.redis_connection import Connection, NoReply

__all__ = ["CONNECT_S", "Connections"]

CONNECT_S = 5.0


class Connections:
    """Lends connections, the one that came back last first, so that the others may fall idle.

    Args:
        connect: makes a connection, or raises NoReply; it is cancelled after `CONNECT_S` seconds.
        most: the most connections at one time.
        failed: told of each connection that could not be made.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], most: int, failed: Callable[[NoReply], None]
    ) -> None:
        self._connect, self._most, self._failed = connect, most, failed
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._old: set[Connection] = set()
        self._connecting: dict[asyncio.Task[None], float] = {}
        self._waiting: deque[asyncio.Future[Connection | NoReply | None]] = deque()
        self._closed = False

    @property
    def count(self) -> int:
        """The connections that there are, with those that are being made."""
        return len(self._idle) + len(self._lent) + len(self._connecting)

    def begin(self) -> None:
        """Makes one more connection in the background, if there may be one."""
        if self._closed or self.count >= self._most:
            return
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._make())
        self._connecting[task] = loop.time()
        task.add_done_callback(lambda ended: self._connecting.pop(ended, None))

    def overdue(self, patience_s: float) -> bool:
        """Whether none is lent, and one has been in the making for longer than `patience_s` seconds."""
        begun = min(self._connecting.values(), default=None)
        now = asyncio.get_running_loop().time()
        return not self._lent and begun is not None and now - begun >= patience_s

    async def lease(self, until: float) -> Connection | None:
        """Returns a connection, which must come back by `give_back`; None if there was none until then.

        A connection that is being made for a lease is made also after the lease has ended without it.

        Args:
            until: the instant on the loop's clock until which this may take.

        Raises:
            NoReply: no connection can be made.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                self._lent.add(connection)
                return connection
        if self._closed:
            raise NoReply("was closed")
        return await self._wait(until)

    async def _wait(self, until: float) -> Connection | None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | NoReply | None] = loop.create_future()
        self._waiting.append(waiter)
        self._make_enough()
        timer = loop.call_at(until, _set, waiter, None)
        try:
            found = await waiter
        except asyncio.CancelledError:
            lent = waiter.result() if waiter.done() and not waiter.cancelled() else None
            if lent is not None and not isinstance(lent, NoReply):
                self.give_back(lent)  # it came in the moment of the cancellation
            raise
        finally:
            timer.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        if isinstance(found, NoReply):
            raise NoReply(found.did, limit=found.limit, counts=False) from found  # it was counted where it failed
        return found

    def give_back(self, connection: Connection) -> None:
        """Takes a connection back; one that is not usable is closed."""
        self._lent.discard(connection)
        if self._closed or connection in self._old or not connection.usable:
            self._old.discard(connection)
            connection.close()
            self._make_enough()
            return
        self._offer(connection)

    def renew(self) -> None:
        """Lends none of the present connections any more; those under way finish first."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        self._old |= self._lent

    async def close(self) -> None:
        """Closes all connections, and waits until they are; whoever waits for one or for replies is told so."""
        self._closed = True
        tasks = list(self._connecting)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for waiter in self._waiting:
            _set(waiter, NoReply("was closed", counts=False))
        all_of_them = [*self._idle, *self._lent]
        self._idle.clear()
        for connection in all_of_them:
            connection.give_up(NoReply("was closed", counts=False))
        for connection in all_of_them:
            await connection.wait_closed()

    def _make_enough(self) -> None:
        """Begins to make connections for those who wait and for whom none is being made."""
        if self.count >= self._most:
            return
        waiting = sum(not waiter.done() for waiter in self._waiting)
        for _ in range(min(waiting - len(self._connecting), self._most - self.count)):
            self.begin()

    def _offer(self, connection: Connection) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._lent.add(connection)
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    async def _make(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                made: Connection | NoReply = await self._connect()
        except NoReply as error:
            made = error
        except TimeoutError:
            limit = f"{CONNECT_S:g} s"
            made = NoReply(f"did not take a connection within {limit}", limit=limit)
        # Before anybody is told, who may then begin another one.
        if (task := asyncio.current_task()) is not None:
            self._connecting.pop(task, None)
        if isinstance(made, NoReply):
            self._give_up(made)
        else:
            self._offer(made)

    def _give_up(self, why: NoReply) -> None:
        self._failed(why)
        if self._lent:
            return  # one of them comes back, as where the server takes no more connections
        while self._waiting:
            _set(self._waiting.popleft(), why)


def _set(waiter: "asyncio.Future[Connection | NoReply | None]", found: Connection | NoReply | None) -> None:
    if not waiter.done():
        waiter.set_result(found)
