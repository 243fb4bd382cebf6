"""What a log has written since its start, and for how long its oldest record has waited for the disk."""

import time

__all__ = ["Written"]


class Written:
    """Counts what one log writes. Whoever calls `add` or `begin_sync` holds the log's lock; any thread may read.

    Attributes:
        records: the number of records that were written to the page cache.
        size: their bytes with their frames, without the headers of segments.
        suspect: the number of segments that may not be on the disk, because the system failed to write them out.
    """

    def __init__(self) -> None:
        self.records = self.size = self.suspect = 0
        self._waits_since: float | None = None  # of the oldest record that no sync has begun for
        self._syncs_since: float | None = None  # of the oldest record that is being synced

    def add(self, records: int, size: int) -> None:
        """Counts records that were written by one system call, and their bytes together."""
        self.records += records
        self.size += size
        if self._waits_since is None:
            self._waits_since = time.monotonic()

    def begin_sync(self) -> bool:
        """Notes that all records so far are being synced; returns whether there are any since the last time."""
        if self._waits_since is None:
            return False
        # In this order, so that whoever reads `lag_s` meanwhile does not miss them.
        self._syncs_since = self._waits_since
        self._waits_since = None
        return True

    def end_sync(self) -> None:
        """Notes that the sync which was begun last has ended, well or not."""
        self._syncs_since = None

    def lag_s(self) -> float:
        """Returns the age of the oldest record that is not synced yet, in seconds; 0 if all are.

        A record that the disk failed to take counts as `suspect`, and no longer as waiting.
        """
        since = [one for one in (self._waits_since, self._syncs_since) if one is not None]
        return time.monotonic() - min(since) if since else 0.0
