"""The input of a model whose rows depend on each other: all of it as one chunk, or refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Table, join
from bridge.errors import BridgeError
from bridge.row_files.input_chunk import InputChunk
from bridge.row_files.sources import Source

__all__ = ["WholeInputRefused", "whole_input"]


class WholeInputRefused(BridgeError):
    """The rows of a model depend on each other, and they can't all be scored in one call."""

    reason = "NOT_ROW_WISE"


def whole_input(
    source: Source, most_rows: int, detail: pb.ModelDetail, finished: Callable[[int], bool]
) -> Iterator[InputChunk]:
    """Yields the whole input as one chunk; nothing if it is finished or has no rows.

    Args:
        source: the input.
        most_rows: the most rows that one call may have.
        detail: the version that scores.
        finished: whether a chunk is finished, by its number.

    Raises:
        WholeInputRefused: the input has more rows, or a row that can't be read; the message says why that matters.
    """
    which = f"{detail.version.model}/{detail.version.version}"
    why = f"{which} is not row-wise ({detail.row_wise_reason}), so all rows must be scored in one call"
    parts: list[InputChunk] = []
    rows = 0
    for part in source.chunks(most_rows, lambda _: False):
        rows += part.rows
        if rows > most_rows:
            raise WholeInputRefused(f"{why}; the input has more than the {most_rows} rows that a call may have")
        if part.rejects:
            first = part.rejects[0]
            raise WholeInputRefused(f"{why}; {first.file}, row {first.row} can't be read: {first.detail}")
        parts.append(part)
    # One chunk, whatever the number of files: the number of chunks must say so.
    source.counted = min(1, len(parts))
    if parts and not finished(0):
        yield _joined(parts)


def _joined(parts: list[InputChunk]) -> InputChunk:
    first = parts[0]
    if len(parts) == 1:
        return first
    batch = join([part.batch for part in parts])
    assert isinstance(batch, Table)  # noqa: S101 - for mypy: tables join to a table
    return replace(
        first,
        rows=sum(part.rows for part in parts),
        batch=batch,
        keys=tuple(key for part in parts for key in part.keys),
        echoed=pa.concat_tables([part.echoed for part in parts]),
        places=np.concatenate([part.places for part in parts]),
    )
