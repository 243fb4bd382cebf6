"""Connections to a store's server: lent, given back, waited for, and made in the background."""

import asyncio
from typing import Any, cast

import pytest
from waiting import eventually

from bridge.features.stores.connections import Connections
from bridge.features.stores.redis_connection import Connection, NoReply


class Fake:
    """A connection that needs no server."""

    usable = True

    def close(self) -> None:
        """Closes it."""
        self.usable = False

    def give_up(self, why: NoReply) -> None:
        """Closes it."""
        del why
        self.usable = False

    async def wait_closed(self) -> None:
        """Returns at once."""


class Server:
    """Makes connections as soon as it is told to, and counts them."""

    def __init__(self, most: int = 2) -> None:
        self.made: list[Any] = []
        self.failures: list[NoReply] = []
        self.asked = 0
        self.up = asyncio.Event()
        self.up.set()
        self.refuses = False
        self.connections = Connections(self.connect, most, self.failures.append)

    async def connect(self) -> Connection:
        """Makes one."""
        self.asked += 1
        await self.up.wait()
        if self.refuses:
            raise NoReply("refuses connections")
        self.made.append(Fake())
        return cast("Connection", self.made[-1])

    async def lease(self, seconds: float = 20.0) -> Connection | None:
        """A lease that may wait for so long."""
        return await self.connections.lease(asyncio.get_running_loop().time() + seconds)


async def test_the_connection_that_came_back_last_is_lent_first() -> None:
    server = Server(3)
    first, second, third = [await server.lease() for _ in range(3)]
    assert first is not None
    assert second is not None
    assert third is not None
    for one in (second, third, first):
        server.connections.give_back(one)
    assert [await server.lease() for _ in range(3)] == [first, third, second]
    await server.connections.close()


async def test_no_more_are_made_than_there_may_be_and_who_waits_gets_the_next_that_comes_back() -> None:
    server = Server(2)
    first, second = await server.lease(), await server.lease()
    assert first is not None
    waiting = [asyncio.ensure_future(server.lease()) for _ in range(2)]
    await asyncio.sleep(0)
    server.connections.give_back(first)
    assert await waiting[0] is first  # in the order in which they came
    server.connections.give_back(first)
    assert await waiting[1] is first
    assert server.asked == server.connections.count == 2
    assert second is not first
    await server.connections.close()


async def test_one_that_is_not_usable_is_not_lent_again() -> None:
    server = Server(1)
    first = await server.lease()
    assert first is not None
    server.connections.give_back(first)
    server.made[0].usable = False  # closed by the server, while nobody had it
    second = await server.lease()
    assert second is not first
    waiting = asyncio.ensure_future(server.lease())
    await asyncio.sleep(0)
    server.made[1].usable = False
    assert second is not None
    server.connections.give_back(second)
    assert await waiting is server.made[2]
    assert server.connections.count == 1
    await server.connections.close()


async def test_a_lease_that_ends_leaves_its_connection_to_the_next() -> None:
    server = Server(1)
    server.up.clear()
    assert await server.lease(0.001) is None
    cancelled = asyncio.ensure_future(server.lease())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    server.up.set()
    assert await server.lease() is server.made[0]
    assert server.asked == 1
    await server.connections.close()


async def test_a_connection_that_comes_in_the_moment_of_a_cancellation_is_not_lost() -> None:
    server = Server(1)
    lent = await server.lease()
    assert lent is not None
    waiting = asyncio.ensure_future(server.lease())
    await asyncio.sleep(0)
    server.connections.give_back(lent)
    waiting.cancel()  # the connection was given to it, but it has not run since
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert await server.lease(1) is lent
    await server.connections.close()


async def test_all_who_wait_are_told_that_there_can_be_none() -> None:
    server = Server(2)
    server.up.clear()
    waiting = [asyncio.ensure_future(server.lease()) for _ in range(5)]
    await eventually(lambda: server.asked == 2)
    server.refuses = True
    server.up.set()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, NoReply)
        assert outcome.did == "refuses connections"
    assert [failure.counts for failure in server.failures] == [True] * 2
    await server.connections.close()


async def test_they_wait_on_where_a_lent_one_may_still_come_back() -> None:
    server = Server(2)
    lent = await server.lease()
    assert lent is not None
    server.refuses = True
    waiting = asyncio.ensure_future(server.lease())
    await eventually(lambda: server.failures)
    assert not waiting.done()
    server.connections.give_back(lent)
    assert await waiting is lent
    await server.connections.close()


async def test_after_a_renewal_none_of_the_old_ones_is_lent() -> None:
    server = Server(3)
    lent, idle = await server.lease(), await server.lease()
    assert lent is not None
    assert idle is not None
    server.connections.give_back(idle)
    server.connections.renew()
    assert not server.made[1].usable
    assert server.made[0].usable  # what is under way may finish
    server.connections.give_back(lent)
    assert not server.made[0].usable
    new = await server.lease()
    assert new is server.made[2]
    assert new is not None
    server.connections.give_back(new)
    assert await server.lease() is new
    await server.connections.close()


async def test_closing_tells_those_who_wait_and_stops_what_is_in_the_making() -> None:
    server = Server(2)
    await server.lease()
    server.up.clear()
    waiting = asyncio.ensure_future(server.lease())
    await eventually(lambda: server.asked == 2)
    await server.connections.close()
    with pytest.raises(NoReply, match="was closed"):
        await waiting
    assert not server.made[0].usable
    with pytest.raises(NoReply, match="was closed"):
        await server.lease()
    server.connections.begin()
    assert server.asked == 2
