"""The rows of a logged call that drift counts: features as the model got them, and the scores that it gave."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.codecs.logged import asked_outputs_of, response_of, scored_request_of, scores
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.columns import Array, Batch, Mask, Matrix, Table, take
from bridge.errors import InvalidRequest
from bridge.prediction_log.lookups import columns_of

__all__ = ["LoggedRows", "is_counted", "read_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedRows:
    """The rows of one answered call.

    Attributes:
        features: the features of the rows that were answered with a score, as the model got them.
        scores: the scores that the model gave, without default scores.
        rows: how many rows were answered with a score.
        default_rows: how many of these scores are default scores.
        alone: whether the model has one output, so far as the call tells.
        unnamed: whether the features came as a matrix without names, and the model's own names are not known.
    """

    features: Table
    scores: Table
    rows: int
    default_rows: int
    alone: bool
    unnamed: bool


def is_counted(record: log_pb.LogRecord) -> bool:
    """Whether a record is of a call that a version answered."""
    return bool(record.version) and record.status == 0 and not record.suppressed and scores(record)


def read_rows(record: log_pb.LogRecord, names: Sequence[str] | None) -> LoggedRows:
    """Reads the rows of a call that was answered; rows that came back without a score don't count.

    Args:
        record: the record of the call.
        names: the names of the model's features in its own order, for a matrix without names; None if not known.

    Raises:
        InvalidRequest: the request or the answer on record can't be read, or they don't fit each other.
    """
    answer = Table(columns_of(response_of(record).scores), 0)
    rows = len(answer.columns[0]) if answer.columns else 0
    if not rows:
        return LoggedRows(Table((), 0), Table((), 0), 0, 0, alone=False, unnamed=False)
    failed, defaulted = _marked(record.failed, rows), _marked(record.defaulted, rows)
    features, unnamed = _features(record, rows, names)
    return LoggedRows(
        features=_taken(features, ~failed),
        scores=_taken(Table(answer.columns, rows), ~(failed | defaulted)),
        rows=rows - int(failed.sum()),
        default_rows=int((defaulted & ~failed).sum()),
        alone=len(answer.columns) == 1 and not asked_outputs_of(record),
        unnamed=unnamed,
    )


def _features(record: log_pb.LogRecord, rows: int, names: Sequence[str] | None) -> tuple[Table, bool]:
    request = scored_request_of(record)
    if request.WhichOneof("features") == "table" and not request.table.columns:
        return Table((), rows), False  # there were only keys, and nothing was looked up
    batch: Batch = read_batch(request)
    if batch.rows != rows:
        raise InvalidRequest(f"the call has {batch.rows} rows, its answer has {rows}")
    if not isinstance(batch, Matrix):
        return batch, False
    width = int(batch.values.shape[1])
    if batch.names:
        return batch.table(batch.names), False
    if names is None or len(names) != width:
        return Table((), rows), True
    return batch.table(names), False


def _marked(parts: Sequence[log_pb.LoggedRange], rows: int) -> Mask:
    marked = np.zeros(rows, np.bool_)
    for part in parts:
        marked[part.first : part.first + part.count] = True
    return marked


def _taken(table: Table, kept: Mask) -> Table:
    if kept.all():
        return table
    found: Array = np.flatnonzero(kept)
    batch = take(table, found)
    return batch if isinstance(batch, Table) else table.slice(0, 0)
