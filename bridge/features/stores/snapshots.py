"""What a store said of its groups lately."""

import asyncio
from dataclasses import dataclass

from bridge.features.stores.group import Group, read_meta
from bridge.features.stores.store import Snapshot

__all__ = ["Snapshots"]

_MOST_GROUPS = 256
_WANTED_S = 60.0  # a group that no call asked for since is not looked at again
_LASTS = 3  # as many times `refresh_s` a snapshot may be used


@dataclass(slots=True)
class _Seen:
    raw: bytes
    group: Group | None
    store_ms: int
    at: float
    asked_at: float


class Snapshots:
    """Keeps the groups that calls ask for, at most 256: those that were asked for last.

    Args:
        refresh_s: the seconds between two looks at a group.
    """

    def __init__(self, refresh_s: float) -> None:
        self._lasts_s = _LASTS * refresh_s
        self._seen: dict[str, _Seen] = {}

    def get(self, group: str) -> Snapshot | None:
        """Returns a group as it was seen less than three times `refresh_s` ago; None if it was not."""
        seen = self._seen.get(group)
        if seen is None:
            return None
        now = asyncio.get_running_loop().time()
        seen.asked_at = now
        since_s = now - seen.at
        if since_s >= self._lasts_s:
            return None
        return Snapshot(seen.group, seen.store_ms + round(since_s * 1000))

    def differs(self, group: str, raw: bytes) -> bool:
        """Whether a group was described otherwise before, or not at all."""
        last = self._seen.get(group)
        return last is None or last.raw != raw

    def put(self, group: str, raw: bytes, store_ms: int, *, asked: bool) -> Snapshot:
        """Keeps what the store said of a group, and returns it.

        Args:
            group: the group's name.
            raw: its description; empty if there is none.
            store_ms: the store's clock, in milliseconds since 1970.
            asked: whether a call asked for it.

        Raises:
            GroupNotReadable: the description is not as docs/features.md says; what was kept stays.
        """
        now, last = asyncio.get_running_loop().time(), self._seen.get(group)
        found = last.group if last is not None and last.raw == raw else read_meta(group, raw) if raw else None
        asked_at = now if asked or last is None else last.asked_at
        self._seen[group] = _Seen(raw, found, store_ms, now, asked_at)
        if len(self._seen) > _MOST_GROUPS:
            del self._seen[min(self._seen, key=lambda name: self._seen[name].asked_at)]
        return Snapshot(found, store_ms)

    def wanted(self) -> list[str]:
        """Returns the groups that calls asked for in the last minute, and forgets the others."""
        since = asyncio.get_running_loop().time() - _WANTED_S
        self._seen = {name: seen for name, seen in self._seen.items() if seen.asked_at >= since}
        return list(self._seen)
