"""Reads logged calls that were answered: their rows as the model got them, and what is to be scored again together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.logged import asked_outputs_of, response_of, scored_request_of
from bridge.codecs.scorebridge_v1.requests import COLUMN_TYPES, read_batch, read_type
from bridge.columns import Array, Batch, Column, Mask, Matrix, Table, Type, all_missing, take
from bridge.prediction_log.reasons import reason_name

__all__ = ["AnsweredCall", "LoggedBatch"]

_NOT_LOOKED_UP = (
    pb.DEFAULT_REASON_FEATURES_MISSING,
    pb.DEFAULT_REASON_FEATURES_STALE,
    pb.DEFAULT_REASON_STORE_UNAVAILABLE,
)


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredCall:
    """A logged call that was answered.

    Attributes:
        sequence: the number of the call's record in the log.
        record: the record.
        request: the request as the model got it: without ignored columns and keys, and with the looked-up columns.
        response: the answer.
        outputs: the names of the outputs that the request asked for; empty for all of them.
    """

    sequence: int
    record: log_pb.LogRecord
    request: pb.ScoreRequest
    response: pb.ScoreResponse
    outputs: frozenset[str] = frozenset()

    @classmethod
    def read(cls, sequence: int, record: log_pb.LogRecord) -> Self:
        """Reads the request and the answer in a record.

        Raises:
            InvalidRequest: the logged request or response is not one of the record's wire.
        """
        return cls(sequence, record, scored_request_of(record), response_of(record), asked_outputs_of(record))

    @property
    def rows(self) -> int:
        """The number of rows in the answer."""
        if not self.response.scores:
            return 0
        first = self.response.scores[0]
        kind = first.WhichOneof("values")
        return len(getattr(first, kind).values) if kind else 0

    def scores(self) -> tuple[Column, ...]:
        """Returns the columns of the answer."""
        return tuple(_read_scores(column) for column in self.response.scores)

    def reasons(self, rows: int) -> Array:
        """Returns why rows have a default score, or none, as DefaultReason numbers, shape (rows,); 0 for scored rows.

        Args:
            rows: the number of rows of the call.
        """
        reasons = np.zeros(rows, np.int8)
        for part in self._not_by_model():
            reasons[part.first : part.first + part.count] = part.reason
        return reasons

    def failed(self, rows: int) -> Mask:
        """Returns which rows were answered without a score, shape (rows,).

        Args:
            rows: the number of rows of the call.
        """
        failed = np.zeros(rows, np.bool_)
        for part in self.response.failed_rows:
            failed[part.first : part.first + part.count] = True
        return failed

    def batches(self) -> "list[LoggedBatch]":
        """Returns the batches to score: the whole call, unless the model failed some of its rows.

        When the model can't score some rows, serving cuts the call and scores the others without them. So the rows that
        the model scored make one batch here, and each range of other rows a batch of its own. The model was never asked
        for rows whose features could not be looked up.

        Raises:
            InvalidRequest: the request has no rows that can be read.
        """
        batch = self._batch()
        reasons = self.reasons(batch.rows)
        lost = (reasons != 0) & (reasons != pb.DEFAULT_REASON_MISSING_SCORE)
        apart = bool(self.response.failed_rows) or bool(np.isin(reasons, _NOT_LOOKED_UP).any())
        if not lost.any() or (lost.all() and not apart):
            return [self._logged(np.arange(batch.rows), batch)] if batch.rows else []
        kept = np.flatnonzero(~lost)
        parts = [kept] if len(kept) else []
        parts += [
            np.arange(part.first, part.first + part.count)
            for part in self._not_by_model()
            if part.reason != pb.DEFAULT_REASON_MISSING_SCORE
        ]
        return [self._logged(rows, take(batch, rows), int(reasons[rows[0]])) for rows in parts]

    def _batch(self) -> Batch:
        """Returns the rows as the model got them; without columns if there were only keys and nothing was looked up."""
        table = self.request.table
        if self.record.key_columns and self.request.WhichOneof("features") == "table" and not table.columns:
            return Table((), self.rows)
        return _with_kept_types(read_batch(self.request), self.record.kept_types)

    def _logged(self, rows: Array, batch: Batch, reason: int = 0) -> "LoggedBatch":
        why = ""
        if reason in _NOT_LOOKED_UP:
            why = f"their features could not be looked up: {reason_name(reason)}"
        elif self.record.key_columns and not _width(batch):
            why = "their features are not on record"
        return LoggedBatch(self, rows, batch, why)

    def _not_by_model(self) -> list[pb.DefaultedRows | pb.FailedRows]:
        return [*self.response.defaulted_rows, *self.response.failed_rows]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedBatch:
    """Rows of one logged call that are scored again together.

    Attributes:
        call: the logged call.
        rows: the 0-based numbers of the rows in the call, ascending.
        batch: the rows' inputs.
        no_features: why the model never had all features of these rows, so that nothing can be scored again; empty if
            it had them.
    """

    call: AnsweredCall
    rows: Array
    batch: Batch
    no_features: str = ""


def _width(batch: Batch) -> int:
    return int(batch.values.shape[1]) if isinstance(batch, Matrix) else len(batch.columns)


def _with_kept_types(batch: Batch, kept: Mapping[int, pb.ColumnType]) -> Batch:
    """Returns the batch as the model got it: columns without a value have the type that was known from other calls."""
    if not kept:
        return batch
    table = batch.table(batch.names or [""] * batch.values.shape[1]) if isinstance(batch, Matrix) else batch
    columns = [
        all_missing(column.name, read_type(kept[place]), table.rows) if place in kept else column
        for place, column in enumerate(table.columns)
    ]
    return Table(tuple(columns), table.rows)


def _read_scores(message: pb.Column) -> Column:
    kind = message.WhichOneof("values") or "doubles"
    column_type = COLUMN_TYPES[kind]
    entries = getattr(message, kind).values
    if column_type is Type.STRING:
        values: Array = np.empty(len(entries), object)
        values[:] = entries
    else:
        values = np.array(entries, column_type.dtype)
    mask = None
    if message.missing_rows:
        mask = np.zeros(len(values), np.bool_)
        mask[np.array(message.missing_rows, np.int64)] = True
        if column_type.is_floating:
            values[mask] = np.nan
            mask = None
    return Column(message.name, column_type, values, mask)
