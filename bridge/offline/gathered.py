"""The scores and rejects of one chunk, gathered from the answers to its calls."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Array, Column, Type, all_missing, concatenate
from bridge.offline.scored_chunk import ScoredChunk
from bridge.offline.scorer import Answer, CallFailed, Ending
from bridge.row_files.input_chunk import InputChunk, Reject

__all__ = ["Gathered"]


class Gathered:
    """What is known of the rows of one chunk; rows are named by their positions in its batch.

    Args:
        chunk: the chunk.
        detail: the version that scores it.
    """

    def __init__(self, chunk: InputChunk, detail: pb.ModelDetail) -> None:
        self._chunk = chunk
        self._detail = detail
        self._parts: list[tuple[Array, tuple[Column, ...]]] = []
        self._reasons: dict[int, str] = {}
        self._rejected: dict[int, Ending] = {}

    def keep(self, rows: Array, answer: Answer) -> int:
        """Takes over the scores of an answer, and returns their number.

        Args:
            rows: the positions of the question's rows, ascending.
            answer: the answer.

        Raises:
            CallFailed: the answer has other outputs than an earlier one.
        """
        columns = answer.columns
        if answer.failed:
            scored = np.ones(len(rows), np.bool_)
            for part in answer.failed:
                scored[part.first : part.first + part.count] = False
            places = np.flatnonzero(scored)
            if not len(places):
                return 0
            columns = tuple(column.take(places) for column in columns)
            kept = rows[places]
        else:
            kept = rows
        self._check_outputs(columns)
        self._parts.append((kept, columns))
        for part in answer.defaulted:
            for row in rows[part.first : part.first + part.count].tolist():
                before = self._rejected.get(row)
                self._reasons[row] = before.reason if before else part.reason
        for row in kept.tolist() if self._rejected else ():
            self._rejected.pop(row, None)
        return len(kept)

    def reject(self, rows: Array, ending: Ending) -> None:
        """Notes that rows get no score, and why."""
        for row in rows.tolist():
            self._rejected[row] = ending

    def rejected(self) -> Iterator[tuple[str, Array]]:
        """Yields the positions of the rows without a score, ascending, for each reason."""
        by_reason = sorted((ending.reason, row) for row, ending in self._rejected.items())
        for reason, found in groupby(by_reason, key=lambda one: one[0]):
            yield reason, np.array([row for _, row in found], np.int64)

    def result(self) -> ScoredChunk:
        """Returns what became of the chunk."""
        rejects = tuple(self._reject(row) for row in sorted(self._rejected))
        if not self._parts:
            return ScoredChunk(np.empty(0, np.int64), self._no_scores(), (), rejects)
        kept = np.concatenate([rows for rows, _ in self._parts])
        columns = tuple(concatenate(found) for found in zip(*(part for _, part in self._parts), strict=True))
        if (np.diff(kept) < 0).any():
            order = np.argsort(kept)
            kept, columns = kept[order], tuple(column.take(order) for column in columns)
        reasons = tuple(map(self._reasons.get, kept.tolist())) if self._reasons else (None,) * len(kept)
        return ScoredChunk(kept, columns, reasons, rejects)

    def _reject(self, row: int) -> Reject:
        chunk = self._chunk
        ending = self._rejected[row]
        return Reject(
            file=chunk.file,
            row=int(chunk.places[row]) + 1,
            key=chunk.keys[row] if chunk.keys else "",
            column=ending.column,
            reason=ending.reason,
            detail=ending.detail,
        )

    def _check_outputs(self, columns: tuple[Column, ...]) -> None:
        names = [column.name for column in columns]
        if self._parts and names != [column.name for column in self._parts[0][1]]:
            about = self._detail.version
            raise CallFailed("OTHER_OUTPUTS", f"{about.model}/{about.version} gave other outputs than before")

    def _no_scores(self) -> tuple[Column, ...]:
        return tuple(
            all_missing(one.name, Type[pb.ColumnType.Name(one.type).removeprefix("COLUMN_TYPE_")], 0)
            for one in self._detail.outputs
        )
