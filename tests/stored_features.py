"""A store of features in a test's own memory, which answers, fails and counts as it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from redis import Redis

from bridge.columns import Column, Type
from bridge.features.lookups.plan import Lookup
from bridge.features.stores.group import FeatureBatch, Group, GroupFeature, GroupKind, meta_key, row_prefix, write_meta
from bridge.features.stores.packed_rows import RowFormat
from bridge.features.stores.store import NotARow, Snapshot
from bridge.lookup_errors import StoreUnavailable
from bridge.store_settings import StoreSettings

__all__ = ["NOW_MS", "DictStore", "column_of", "lookup_of", "texts_of", "values_of"]

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z


def column_of(name: str, kind: Type, values: Sequence[object]) -> Column:
    """A column of these values, None where missing."""
    if kind.is_floating:
        numbers = [np.nan if value is None else value for value in values]
        return Column(name, kind, np.array(numbers, kind.dtype))
    filled = np.empty(len(values), kind.dtype)
    filled[:] = [("" if kind is Type.STRING else 0) if value is None else value for value in values]
    mask = np.array([value is None for value in values], np.bool_)
    return Column(name, kind, filled, mask if mask.any() else None)


def values_of(column: Column) -> list[object]:
    """What a column holds, None where missing."""
    missing = column.missing().tolist()
    return [None if gone else value for value, gone in zip(column.values.tolist(), missing, strict=True)]


def texts_of(keys: Sequence[str | None], name: str = "user_id") -> Column:
    """A column of keys."""
    return column_of(name, Type.STRING, keys)


@dataclass
class DictStore:
    """A store in memory; implements `bridge.features.stores.store.Store`."""

    name: str = "memory"
    now_ms: int = NOW_MS
    groups: dict[str, Group] = field(default_factory=dict)
    held: dict[bytes, object] = field(default_factory=dict)
    down: bool = False
    trips: list[int] = field(default_factory=list)

    @property
    def state(self) -> str:
        """What keeps it from answering."""
        return "down" if self.down else ""

    def publish(
        self,
        group: str,
        batch: str,
        features: Mapping[str, Type],
        rows: Mapping[str, Sequence[object]],
        age_s: float = 3600.0,
        schema: int = 1,
    ) -> None:
        """Publishes a batch, and keeps the one before it."""
        known = tuple(GroupFeature(name, kind) for name, kind in features.items())
        columns = [
            column_of(one.name, one.type, [values[at] for values in rows.values()]) for at, one in enumerate(known)
        ]
        packed = RowFormat(schema, known).pack(columns) if rows else []
        prefix = row_prefix(group, batch)
        self.held |= {prefix + key.encode(): row for key, row in zip(rows, packed, strict=True)}
        published_ms = self.now_ms - int(age_s * 1000)
        current = FeatureBatch(batch, schema, known, len(rows), published_ms, 259_200)
        before = self.groups.get(group)
        self.groups[group] = Group(
            group, GroupKind.BATCH, current=current, previous=None if before is None else before.current
        )

    def stream(self, group: str, features: Mapping[str, Type], timezone: str = "UTC", keep_days: int = 2) -> None:
        """Declares a stream's group."""
        known = tuple(GroupFeature(name, kind) for name, kind in features.items())
        self.groups[group] = Group(group, GroupKind.STREAM, timezone, streamed=known, keep_days=keep_days)

    def count(self, group: str, day: str, key: str, **fields: str) -> None:
        """What a stream has counted of an entity on a day."""
        held = {name.encode(): value.encode() for name, value in fields.items()}
        self.held[row_prefix(group, day, GroupKind.STREAM) + key.encode()] = held

    def put_into(self, server: Redis) -> None:
        """Puts all that it holds into a Redis: rows first, and the descriptions of the groups at last."""
        pipeline = server.pipeline(transaction=False)
        for key, value in self.held.items():
            if isinstance(value, dict):
                pipeline.hset(key, mapping=value)
            elif isinstance(value, bytes):
                pipeline.set(key, value)
        pipeline.execute()
        for name, group in self.groups.items():
            server.set(meta_key(name), write_meta(group))

    async def start(self) -> None:
        """Nothing has to be begun."""

    def snapshot(self, group: str) -> Snapshot | None:
        """What is known of a group."""
        return None if self.down else Snapshot(self.groups.get(group), self.now_ms)

    async def look(self, group: str, until: float) -> Snapshot:
        """Asks for a group."""
        del until
        self._must_answer()
        return Snapshot(self.groups.get(group), self.now_ms)

    async def rows(self, keys: Sequence[bytes], until: float) -> list[bytes | None]:
        """What is held under some keys."""
        del until
        self._must_answer()
        self.trips.append(len(keys))
        found = [self.held.get(key) for key in keys]
        return [row if isinstance(row, bytes) else None for row in found]

    async def hashes(
        self, keys: Sequence[bytes], fields: Sequence[bytes], until: float
    ) -> list[list[bytes | None] | NotARow]:
        """The fields of some hashes."""
        del until
        self._must_answer()
        self.trips.append(len(keys))
        found = [self.held.get(key, {}) for key in keys]
        return [[one.get(name) for name in fields] if isinstance(one, dict) else NotARow() for one in found]

    async def close(self) -> None:
        """Nothing has to be ended."""

    def _must_answer(self) -> None:
        if self.down:
            raise StoreUnavailable(f"store '{self.name}' refuses connections")


def lookup_of(
    store: DictStore,
    group: str = "orders",
    *,
    name: str = "history",
    key: str = "user_id",
    features: Sequence[str] | None = None,
    steps: tuple[str, ...] = ("previous", "missing"),
    fails: bool = True,
    max_age_s: float | None = None,
    since: str | None = None,
    max_entities: int = 10_000,
) -> Lookup:
    """A lookup in that store."""
    limits = StoreSettings(url="memory:unused.parquet", max_entities=max_entities, timeout_s=1.0)
    wanted = None if features is None else tuple(features)
    return Lookup(name, group, key, store, limits, wanted, steps, fails, max_age_s, since)
