"""A store of features in Redis: one server, a master behind Sentinel, or a cluster."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bridge.features.stores.group import MOST_META_BYTES, GroupNotReadable, meta_key
from bridge.features.stores.redis_commands import command, get_hashes, get_rows
from bridge.features.stores.redis_connection import error_word, is_error
from bridge.features.stores.redis_nodes import ClusterNodes, Nodes, OneNode
from bridge.features.stores.redis_url import read_url
from bridge.features.stores.row_cache import RowCache
from bridge.features.stores.snapshots import Snapshots
from bridge.features.stores.store import NotARow, Snapshot
from bridge.lookup_errors import StoreUnavailable
from bridge.store_settings import StoreSettings

__all__ = ["RedisStore"]

_TRIP_KEYS = 1000
_MOST_TRIP_BYTES = 64 << 20
_CHECK_S = 2.0
_LOOK_S = 1.0  # the least time that a look in the background may take: it may have to wait for a connection


class RedisStore:
    """Reads feature groups from Redis by MGET and HMGET, in trips of 1,000 keys and at most 64 MiB each.

    All keys of one call are of one group. Every trip has its own lent connection; one whose trip was not finished is
    closed, so that no call ever reads what another asked for.

    Args:
        name: the store's name in the gateway's settings.
        settings: its settings.

    Raises:
        ConfigError: the URL is not of its scheme's form, or the password or a file of TLS can't be read.
    """

    def __init__(self, name: str, settings: StoreSettings) -> None:
        url = read_url(name, settings)
        self._name, self._refresh_s, self._cluster = name, settings.refresh_s, url.cluster
        self._nodes: Nodes = ClusterNodes(name, settings, url) if url.cluster else OneNode(name, settings, url)
        self._snapshots = Snapshots(settings.refresh_s)
        self._cache = RowCache(settings.cache_entities, settings.cache_age_s) if settings.cache_entities else None
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The store's name in the gateway's settings."""
        return self._name

    @property
    def state(self) -> str:
        """What keeps the store from answering, in words for `/readyz`; empty if nothing is known to."""
        return self._nodes.state

    async def start(self) -> None:
        """Begins to connect in the background, and returns at once; a store that is down never stops the gateway."""
        if self._refreshing is None:
            self._nodes.start()
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    def snapshot(self, group: str) -> Snapshot | None:
        """Returns a group as it was seen less than three times `refresh_s` ago, at once; None if `look` has to ask."""
        return self._snapshots.get(group)

    async def look(self, group: str, until: float) -> Snapshot:
        """Asks the store for a group.

        Args:
            group: the group's name.
            until: the instant on the loop's clock until which this may take.

        Raises:
            StoreUnavailable: it did not answer until then, or at all.
            GroupNotReadable: what it holds of the group is not as docs/features.md says.
        """
        return await self._look(group, until, asked=True)

    async def rows(self, keys: Sequence[bytes], until: float) -> list[bytes | None]:
        """Returns the packed row under each key, None where there is none; more than 1,000 keys take several trips.

        Args:
            keys: keys of one group.
            until: the instant on the loop's clock until which this may take.

        Raises:
            StoreUnavailable: it did not answer until then, or at all; or with something else, or more than 64 MiB.
        """
        if (cache := self._cache) is None:
            return await self._rows(keys, until)
        found, times_cleared = cache.get(keys), cache.times_cleared
        absent = [place for place, row in enumerate(found) if row is None]
        if absent:
            wanted = [keys[place] for place in absent]
            rows = await self._rows(wanted, until)
            if cache.times_cleared != times_cleared:
                return await self._rows(keys, until)  # what was kept and what was read may be of two batches
            cache.put(wanted, rows)
            for place, row in zip(absent, rows, strict=True):
                found[place] = row
        return found

    async def hashes(
        self, keys: Sequence[bytes], fields: Sequence[bytes], until: float
    ) -> list[list[bytes | None] | NotARow]:
        """Returns the values of the fields of the hash under each key, None where there is none.

        Where something else than a hash is under the key, NotARow stands for its values.

        Args:
            keys: keys of one group.
            fields: the names of the fields.
            until: the instant on the loop's clock until which this may take.

        Raises:
            StoreUnavailable: it did not answer until then, or at all; or with something else, or more than 64 MiB.
        """
        found: list[list[bytes | None] | NotARow] = []
        for part in _trips(keys):
            replies = await self._ask(part[0], get_hashes(part, fields), len(part), until, len(fields))
            found += [NotARow() if is_error(reply) else self._texts(reply, len(fields)) for reply in replies]
        return found

    async def close(self) -> None:
        """Closes all connections; may be called more than once."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})
        await self._nodes.close()

    async def _rows(self, keys: Sequence[bytes], until: float) -> list[bytes | None]:
        found: list[bytes | None] = []
        for part in _trips(keys):
            (reply,) = await self._ask(part[0], get_rows(part), 1, until, len(part))
            found += self._texts(reply, len(part))
        return found

    async def _look(self, group: str, until: float, *, asked: bool) -> Snapshot:
        key = meta_key(group)
        # One byte more than it may have, so that a longer one is told from one that just fits.
        commands = command(b"GETRANGE", key, b"0", b"%d" % MOST_META_BYTES) + command(b"TIME")
        raw, clock = await self._ask(key, commands, 2, until, 0)
        if is_error(raw):
            raise GroupNotReadable(f"what store '{self._name}' has under the key of group '{group}' is no text")
        match clock:
            case [bytes(seconds), bytes(micros)] if isinstance(raw, bytes) and (seconds + micros).isdigit():
                store_ms = int(seconds) * 1000 + int(micros) // 1000
            case _:
                raise self._unexpected()
        if self._cache is not None and self._snapshots.differs(group, raw):
            self._cache.clear()
        return self._snapshots.put(group, raw, store_ms, asked=asked)

    async def _ask(self, key: bytes, commands: bytes, replies: int, until: float, most_items: int) -> list[Any]:
        for _ in range(2):
            node = self._nodes.of(key)
            try:
                found = await node.ask(commands, replies, _MOST_TRIP_BYTES, until, most_items=most_items)
            except StoreUnavailable:
                self._nodes.failed(node)
                raise
            if not self._nodes.moved(key, found[0]):
                break
        if any(is_error(reply) and error_word(reply) == "MOVED" for reply in found):
            remedy = "" if self._cluster else ": for a cluster, its url begins with cluster://"
            raise StoreUnavailable(f"store '{self._name}' answers with the error MOVED{remedy}")
        return found

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            await asyncio.sleep(self._refresh_s)
            if loop.time() - checked >= _CHECK_S:
                await self._nodes.check()
                checked = loop.time()
            for group in self._snapshots.wanted():
                # What was seen last is used until it is too old; calls then get the error of their own look.
                with suppress(StoreUnavailable, GroupNotReadable):
                    await self._look(group, loop.time() + max(_LOOK_S, self._refresh_s), asked=False)

    def _texts(self, reply: Any, expected: int) -> list[bytes | None]:
        if type(reply) is not list or len(reply) != expected or not {type(one) for one in reply} <= _TEXT_OR_NONE:
            raise self._unexpected()
        return reply

    def _unexpected(self) -> StoreUnavailable:
        return StoreUnavailable(f"store '{self._name}' answers with something else than was asked for")


_TEXT_OR_NONE = {bytes, type(None)}


def _trips(keys: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [keys[at : at + _TRIP_KEYS] for at in range(0, len(keys), _TRIP_KEYS)]
