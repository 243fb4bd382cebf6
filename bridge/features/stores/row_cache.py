"""Rows of feature batches that were read lately, kept in memory."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

__all__ = ["RowCache"]

_MOST_ROW_BYTES = 1 << 16


class RowCache:
    """Keeps the rows that were read last.

    A row's key holds its batch, whose rows do not change. But a batch may be dropped, and another be published under
    its name: so all is let go when a group is described anew. Keys without a row are not kept, nor are rows longer than
    64 KiB.

    Args:
        most: the most rows.
        age_s: for how many seconds a row is kept.
        clock: the time in seconds, for tests.

    Attributes:
        times_cleared: how often all was let go: rows that were asked for before the last time may be of another batch.
    """

    def __init__(self, most: int, age_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._age_s, self._clock = most, age_s, clock
        self._rows: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self.times_cleared = 0

    def clear(self) -> None:
        """Lets go of all rows."""
        self._rows.clear()
        self.times_cleared += 1

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Returns the row under each key, None where none is kept."""
        now, rows = self._clock(), self._rows
        found: list[bytes | None] = []
        for key in keys:
            kept = rows.get(key)
            if kept is not None and kept[0] <= now:
                del rows[key]
                kept = None
            if kept is not None:
                rows.move_to_end(key)
            found.append(None if kept is None else kept[1])
        return found

    def put(self, keys: Sequence[bytes], rows: Sequence[bytes | None]) -> None:
        """Keeps the row under each key, and lets go of those that were not asked for the longest."""
        until = self._clock() + self._age_s
        for key, row in zip(keys, rows, strict=True):
            if row is not None and len(row) <= _MOST_ROW_BYTES:
                self._rows[key] = (until, row)
                self._rows.move_to_end(key)
        while len(self._rows) > self._most:
            self._rows.popitem(last=False)
