"""Makes chunks of converted columns: rows with a fault become rejects, and the others stay."""

from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bridge.columns import Column, Table, take
from bridge.row_files.input_chunk import InputChunk, Reject

__all__ = ["INVALID_VALUE", "MALFORMED_ROW", "MOST_KEY_BYTES", "Fault", "Faults", "build_chunk", "key_fault"]

INVALID_VALUE = "INVALID_VALUE"
MALFORMED_ROW = "MALFORMED_ROW"
MOST_KEY_BYTES = 1024  # what a gateway takes as the key of a row


class Fault(NamedTuple):
    """What is wrong with a row: the column if it is a single one, the reason's name, and a sentence without values."""

    column: str
    reason: str
    detail: str


Faults = MutableMapping[int, Fault]  # by the row's number in its chunk, from 0; a row has the first that is found


def key_fault(column: str, key: str) -> Fault | None:
    """Returns what is wrong with a row's key, which is empty where there is none; None if nothing is."""
    if not key or not key.strip():
        return Fault(column, "NO_KEY", "the row has no key: give it one, or copy the column by --keep, not by --key")
    if len(key.encode()) > MOST_KEY_BYTES:
        return Fault(column, "KEY_TOO_LONG", f"the key is longer than the allowed {MOST_KEY_BYTES} bytes")
    if "\0" in key:
        return Fault(column, INVALID_VALUE, "the key holds a NUL character")
    return None


def build_chunk(
    place: tuple[int, str, int],
    columns: Sequence[Column],
    echoed: Any,
    *,
    keys: Sequence[str] | None,
    key_column: str | None,
    faults: Faults,
) -> InputChunk:
    """Returns a chunk of rows, without those that have a fault.

    Args:
        place: the number of the chunk, the path of its file, and the number of its first row in the file, from 0.
        columns: the columns to send, with an entry for each row.
        echoed: a `pyarrow.Table` of the columns to copy, with all rows.
        keys: the row keys, empty where a row has none; None if there is no key column.
        key_column: the name of the key column; None if there is none.
        faults: the rows with a fault; faults of keys are added.
    """
    number, file, first = place
    rows = echoed.num_rows
    if keys is not None:
        for row, key in enumerate(keys):
            if row not in faults and (fault := key_fault(key_column or "", key)):
                faults[row] = fault
    table, places = Table(tuple(columns), rows), np.arange(first, first + rows, dtype=np.int64)
    told = keys or ()
    if not faults:
        return InputChunk(number, file, first, rows, table, tuple(told), echoed, places)
    return _without(InputChunk(number, file, first, rows, table, tuple(told), echoed, places), faults)


def _without(chunk: InputChunk, faults: Faults) -> InputChunk:
    file, first, told, echoed = chunk.file, chunk.first, chunk.keys, chunk.echoed
    rejects = tuple(
        Reject(file, first + row + 1, _shown(told[row]) if told else "", *faults[row]) for row in sorted(faults)
    )
    good = np.ones(chunk.rows, np.bool_)
    good[list(faults)] = False
    kept = np.flatnonzero(good)
    batch = take(chunk.batch, kept)
    assert isinstance(batch, Table)  # noqa: S101 - for mypy: a table's rows are a table
    left = tuple(told[row] for row in kept) if told else ()
    # Without columns, Arrow's own `take` would forget how many rows there are.
    copied = echoed.take(kept) if echoed.num_columns else echoed.slice(0, len(kept))
    return InputChunk(chunk.number, file, first, chunk.rows, batch, left, copied, chunk.places[kept], rejects)


def _shown(key: str) -> str:
    """Returns a key for the list of rejects; empty if no key may be like that."""
    return key if key_fault("", key) is None else ""
