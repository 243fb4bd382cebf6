"""Takes rows from batches of Arrow in pieces of any size, and passes over groups of rows that need not be read."""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

__all__ = ["ArrowCursor", "Group"]

Group = tuple[int | None, Callable[[], Iterable[pa.RecordBatch]]]  # its rows, if known, and what reads it


class ArrowCursor:
    """The rows of groups of batches, one behind the other; at most one batch is held."""

    def __init__(self, groups: Iterable[Group], schema: pa.Schema) -> None:
        self._groups = iter(groups)
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._schema = schema
        self._rest: pa.RecordBatch | None = None
        self._passed = 0

    def take(self, rows: int) -> pa.Table:
        """Returns the next rows; fewer at the end."""
        parts: list[pa.RecordBatch] = []
        left = rows
        while left and (batch := self._next(0)) is not None:
            parts.append(batch.slice(0, left))
            left -= self._drop(batch, left)
        return pa.Table.from_batches(parts, self._schema)

    def skip(self, rows: int) -> int:
        """Passes over rows; returns how many there were. Groups that are passed as a whole are not read."""
        left = rows
        while left:
            batch = self._next(left)
            left -= self._passed
            if batch is None:
                break
            left -= self._drop(batch, left)
        return rows - left

    def _drop(self, batch: pa.RecordBatch, rows: int) -> int:
        """Drops rows from the front of the batch that is held; returns how many there were."""
        dropped = min(rows, batch.num_rows)
        self._rest = batch.slice(dropped) if dropped < batch.num_rows else None
        return dropped

    def _next(self, most: int) -> pa.RecordBatch | None:
        """Returns the batch that begins with the next row, behind groups of at most `most` rows; None at the end."""
        self._passed = 0
        while self._rest is None:
            self._rest = next((batch for batch in self._batches if batch.num_rows), None)
            if self._rest is not None:
                break
            group = next(self._groups, None)
            if group is None:
                return None
            known, read = group
            if known is not None and self._passed + known <= most:
                self._passed += known
            else:
                self._batches = iter(read())
        return self._rest
