"""A store of one group in the gateway's memory, read from a Parquet file: for small tables, and without Redis."""

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bridge.errors import BridgeError
from bridge.events import STORE_FILE_UNREADABLE
from bridge.features.stores.group import FeatureBatch, Group, GroupFeature, GroupKind, row_prefix
from bridge.features.stores.memory_file import FeatureFile, file_stamp, group_of, read_feature_file
from bridge.features.stores.store import NotARow, Snapshot
from bridge.lookup_errors import StoreUnavailable
from bridge.own_log import OwnLog
from bridge.store_settings import StoreSettings

__all__ = ["MemoryStore"]

_FOREVER_S = 2**53  # rows in memory do not expire
_log = OwnLog(__name__)


class MemoryStore:
    """Serves a group from a file: its current batch, and as the previous one what the file held before.

    The file is read again when it changes. One that can't be read is logged, and what was read before is kept.

    Args:
        name: the store's name in the gateway's settings.
        settings: its settings, with `url = "memory:FILE.parquet"`.
    """

    def __init__(self, name: str, settings: StoreSettings) -> None:
        self._name, self._key, self._refresh_s = name, settings.key, settings.refresh_s
        self._path = Path(settings.url.removeprefix("memory:"))
        self._group: Group | None = None
        self._rows: dict[bytes, dict[bytes, bytes]] = {}  # of both batches, by the prefix of their keys
        self._schemas: dict[tuple[GroupFeature, ...], int] = {}
        self._tried: tuple[int, int, int] | None = None
        self._problem = "its file is still being read"
        self._said = ""
        self._clock_ms = 0.0
        self._ended = threading.Event()
        self._first = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The store's name in the gateway's settings."""
        return self._name

    @property
    def state(self) -> str:
        """What keeps the store from answering, in words for `/readyz`; empty if nothing is known to."""
        return self._problem

    async def start(self) -> None:
        """Begins to read the file in the background, and returns at once."""
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    def snapshot(self, group: str) -> Snapshot | None:
        """Returns a group as the file held it when it was last read; None while nothing was read."""
        if self._group is None:
            return None
        return Snapshot(self._group if self._group.name == group else None, self._now_ms())

    async def look(self, group: str, until: float) -> Snapshot:
        """Waits until the file was read for the first time.

        Args:
            group: the group's name.
            until: the instant on the loop's clock until which this may take.

        Raises:
            StoreUnavailable: the file was not read until then, or can't be.
        """
        if not self._first.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._first.wait()
        found = self.snapshot(group)
        if found is None:
            raise self._unavailable(self._problem)
        return found

    async def rows(self, keys: Sequence[bytes], until: float) -> list[bytes | None]:  # noqa: ARG002 - it is there at once
        """Returns the packed row under each key, None where there is none.

        Args:
            keys: keys of one group.
            until: the instant on the loop's clock until which this may take; not used.

        Raises:
            StoreUnavailable: the file was not read yet, or can't be.
        """
        if self._group is None:
            raise self._unavailable(self._problem)
        found: list[bytes | None] = [None] * len(keys)
        for prefix, rows in self._rows.items():
            begin = len(prefix)
            for place, key in enumerate(keys):
                if key.startswith(prefix):
                    found[place] = rows.get(key[begin:])
        return found

    async def hashes(
        self,
        keys: Sequence[bytes],  # noqa: ARG002 - there are none
        fields: Sequence[bytes],  # noqa: ARG002
        until: float,  # noqa: ARG002
    ) -> list[list[bytes | None] | NotARow]:
        """Refuses: a file holds no groups of streams.

        Raises:
            StoreUnavailable: always.
        """
        raise self._unavailable("it holds no stream's groups: use Redis")

    async def close(self) -> None:
        """Ends the reading of the file; may be called more than once."""
        self._ended.set()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})

    async def _watch(self) -> None:
        while True:
            try:
                await self._look_at_file()
            except (BridgeError, OSError) as error:
                self._failed(error)
            self._first.set()
            await asyncio.sleep(self._refresh_s)

    async def _look_at_file(self) -> None:
        stamp = await asyncio.to_thread(file_stamp, self._path)
        if stamp == self._tried:
            return
        asked = self._path, self._key, self._schemas, self._ended
        try:
            group, file = group_of(self._path), await asyncio.to_thread(read_feature_file, *asked)
        except BridgeError:
            self._tried = stamp  # it stays as it is until it changes
            raise
        if await asyncio.to_thread(file_stamp, self._path) != stamp:
            return  # somebody still writes to it, or has put another in its place: the next look reads that
        self._tried = stamp
        self._take(group, file)

    def _take(self, name: str, file: FeatureFile) -> None:
        before = self._group
        number = self._schemas[file.features]
        batch = FeatureBatch(file.batch, number, file.features, len(file.rows), file.published_ms, _FOREVER_S)
        previous = None if before is None else before.current
        if before is not None and previous is not None and previous.name == batch.name:
            previous = before.previous  # the same batch, corrected: no two may have one name
        self._group = Group(name, GroupKind.BATCH, current=batch, previous=previous)
        rows = {row_prefix(name, batch.name): file.rows}
        if previous is not None:
            prefix = row_prefix(name, previous.name)
            rows[prefix] = self._rows[prefix]
        self._rows = rows
        self._clock_ms = time.time() * 1000 - time.monotonic() * 1000
        self._problem = self._said = ""

    def _failed(self, error: BridgeError | OSError) -> None:
        said = f"{self._path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        if self._group is None:
            self._problem = said
        if said != self._said:
            self._said = said
            _log.say(STORE_FILE_UNREADABLE, store=self._name, error=said)

    def _now_ms(self) -> int:
        return int(self._clock_ms + time.monotonic() * 1000)

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(f"store '{self._name}': {why}")
