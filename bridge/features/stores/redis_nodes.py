"""Which server of a store is asked for which key: the only one, the master of Sentinel, or the node of a cluster."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from bridge.features.stores.connections import CONNECT_S
from bridge.features.stores.redis_connecting import Connecting
from bridge.features.stores.redis_connection import NoReply, error_word, is_error
from bridge.features.stores.redis_node import Node
from bridge.features.stores.redis_url import Address, RedisUrl
from bridge.store_settings import StoreSettings

__all__ = ["ClusterNodes", "Nodes", "OneNode"]

_MOST_NODES = 256
_MOST_ROUTES = 4096
_MOVED_PARTS = 3


class Nodes(Protocol):
    """The servers of a store."""

    @property
    def state(self) -> str:
        """What keeps them from answering, in words; empty if nothing is known to."""

    def of(self, key: bytes) -> Node:
        """Returns the server to ask for a key."""

    def moved(self, key: bytes, reply: Any) -> bool:
        """Whether a reply says that another server has the key; `of` then returns that one."""

    def failed(self, node: Node) -> None:
        """Takes note that a server did not answer."""

    def start(self) -> None:
        """Begins to connect in the background."""

    async def check(self) -> None:
        """Looks whether other servers than those that are connected have to be asked."""

    async def close(self) -> None:
        """Closes all connections."""


class OneNode:
    """The only server, or the master that Sentinel names when a connection is made."""

    def __init__(self, name: str, settings: StoreSettings, url: RedisUrl) -> None:
        connecting = Connecting(name, settings, url)
        self._connecting = connecting if url.service else None
        connect = connecting.to_master if url.service else partial(connecting.to, url.addresses[0])
        self._node = Node(name, settings, connect)

    @property
    def state(self) -> str:
        """What keeps the server from answering, in words; empty if nothing is known to."""
        return self._node.state

    def of(self, key: bytes) -> Node:
        """Returns the server."""
        del key
        return self._node

    def moved(self, key: bytes, reply: Any) -> bool:
        """Returns False: there is no other server."""
        del key, reply
        return False

    def failed(self, node: Node) -> None:
        """Does nothing: there is no other server."""

    def start(self) -> None:
        """Begins to connect in the background."""
        self._node.start()

    async def check(self) -> None:
        """Leaves a master that Sentinel has replaced: it may go on to answer for a while, and knows nothing new."""
        if self._connecting is None or self._node.left_alone:
            return
        with suppress(NoReply, TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                if await self._connecting.master_changed():
                    self._node.renew()

    async def close(self) -> None:
        """Closes all connections."""
        await self._node.close()


class ClusterNodes:
    """The nodes of a cluster, each of which says where a key is that it does not have.

    A group's keys are all on one node, because of the braces around its name: the node is kept for each group, and
    forgotten as soon as the node is left alone, so that the others tell who has taken its place.
    """

    def __init__(self, name: str, settings: StoreSettings, url: RedisUrl) -> None:
        self._name, self._settings = name, settings
        self._connecting = Connecting(name, settings, url)
        self._given = list(url.addresses)  # the last one to have failed stands last
        self._nodes: dict[Address, Node] = {}
        self._routes: dict[bytes, Address] = {}
        self._closing: set[asyncio.Task[None]] = set()
        for address in self._given:
            self._node(address)

    @property
    def state(self) -> str:
        """What keeps nodes from answering, in words; empty if nothing is known to."""
        states = {node.state for node in self._nodes.values()} - {""}
        return f"{len(states)} of its nodes: {'; '.join(sorted(states))}" if states else ""

    def of(self, key: bytes) -> Node:
        """Returns the node of the key's group, or one that can say which it is."""
        if (address := self._routes.get(_group_of(key))) is not None:
            return self._nodes[address]
        given = [self._nodes[address] for address in self._given]
        return next((node for node in given if not node.left_alone), given[0])

    def moved(self, key: bytes, reply: Any) -> bool:
        """Whether a reply says that another node has the key; `of` then returns that one."""
        if not is_error(reply) or error_word(reply) != "MOVED":
            return False
        address = self._moved_to(self.of(key), str(reply).split(" "))
        if address is None or (address not in self._nodes and len(self._nodes) >= _MOST_NODES):
            return False
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._node(address)
        self._routes[_group_of(key)] = address
        return True

    def failed(self, node: Node) -> None:
        """Forgets a node that is left alone, unless the URL names it; others of the URL are asked before it."""
        address = next((one for one, other in self._nodes.items() if other is node), None)
        if address is None:
            return
        if address in self._given:
            self._given.remove(address)
            self._given.append(address)
        if not node.left_alone:
            return
        self._routes = {group: route for group, route in self._routes.items() if route != address}
        if address not in self._given:
            del self._nodes[address]
            task = asyncio.get_running_loop().create_task(node.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def start(self) -> None:
        """Begins to connect to the first node in the background."""
        self._nodes[self._given[0]].start()

    async def check(self) -> None:
        """Does nothing: a node that lost a group says so itself."""

    async def close(self) -> None:
        """Closes all connections."""
        await asyncio.gather(*self._closing, *(node.close() for node in self._nodes.values()))

    def _node(self, address: Address) -> None:
        if address not in self._nodes:
            self._nodes[address] = Node(self._name, self._settings, partial(self._connecting.to, address))

    def _moved_to(self, asked: Node, parts: list[str]) -> Address | None:
        """Returns the address in "MOVED 3999 10.0.0.7:6381"; a node that does not know its own host leaves it out."""
        if len(parts) != _MOVED_PARTS:
            return None
        host, _, port = parts[2].rpartition(":")
        if not (port.isascii() and port.isdigit() and len(port) <= len("65535")):
            return None
        if not host:
            known = next((address for address, node in self._nodes.items() if node is asked), None)
            host = known[0] if isinstance(known, tuple) else ""
        return (host.strip("[]"), int(port)) if host else None


def _group_of(key: bytes) -> bytes:
    return key[: key.find(b"}") + 1]
