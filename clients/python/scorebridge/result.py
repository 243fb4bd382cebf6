"""What a call gives back: scores, and for each row where its score comes from."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.rows import row_count
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["DefaultedRows", "Scores", "Source", "read_scores"]

_Array = NDArray[Any]


class Source(StrEnum):
    """Where the scores of an answer come from."""

    MODEL = "MODEL"
    DEFAULT = "DEFAULT"
    MIXED = "MIXED"
    CLIENT_DEFAULT = "CLIENT_DEFAULT"


@dataclass(frozen=True)
class DefaultedRows:
    """Neighbouring rows with default scores: which, why, the event in a sentence, and who gave them."""

    first: int
    count: int
    reason: str
    detail: str
    by_client: bool = False


@dataclass(frozen=True, eq=False)
class Scores:
    """The answer to one call; arrays have one entry per row, in the order of the rows that were sent.

    Attributes:
        request_id: the call's.
        model: the model's name.
        version: the version that answered.
        digest: of every byte of that version's bundle.
        columns: by name of the output: numbers (missing ones NaN), truth values or text (missing ones None).
        source: MODEL; DEFAULT, by the gateway; CLIENT_DEFAULT, by this client because no gateway answered; or MIXED.
        defaults: the ranges of rows that carry default scores.
        rows: how many.
        attempts: how many times a worker was asked.
        queue_s: seconds spent waiting for a worker.
        backend_s: seconds that the model took.
    """

    request_id: str
    model: str
    version: int
    digest: str
    columns: dict[str, _Array]
    source: Source
    defaults: tuple[DefaultedRows, ...]
    rows: int
    attempts: int
    queue_s: float
    backend_s: float

    @cached_property
    def scores(self) -> _Array:
        """The scores: shape (rows,) of a model with one output, else (rows, outputs)."""
        columns = list(self.columns.values())
        return columns[0] if len(columns) == 1 else np.column_stack(columns or [np.empty((self.rows, 0))])

    @cached_property
    def defaulted(self) -> NDArray[np.bool_]:
        """Which rows carry a default score, shape (rows,)."""
        marked = np.zeros(self.rows, np.bool_)
        for part in self.defaults:
            marked[part.first : part.first + part.count] = True
        return marked

    @cached_property
    def reasons(self) -> list[str | None]:
        """Why each row carries a default score, such as "DEADLINE"; None where the score is the model's."""
        reasons: list[str | None] = [None] * self.rows
        for part in self.defaults:
            reasons[part.first : part.first + part.count] = [part.reason] * part.count
        return reasons


def read_scores(response: pb.ScoreResponse, request: pb.ScoreRequest) -> Scores:
    """The answer in a message to a call."""
    rows = row_count(request.matrix if request.HasField("matrix") else request.table)
    return Scores(
        request_id=response.request_id,
        model=response.model,
        version=response.version,
        digest=response.digest,
        columns={column.name: _values(column) for column in response.scores},
        source=Source(pb.ScoreSource.Name(response.source).removeprefix("SCORE_SOURCE_")),
        defaults=tuple(
            DefaultedRows(
                part.first,
                part.count,
                pb.DefaultReason.Name(part.reason).removeprefix("DEFAULT_REASON_"),
                part.detail,
            )
            for part in response.defaulted_rows
        ),
        rows=rows,
        attempts=response.attempts,
        queue_s=_seconds(response.queue_time),
        backend_s=_seconds(response.backend_time),
    )


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)


_DTYPES = {
    "doubles": np.float64,
    "floats": np.float32,
    "int32s": np.int32,
    "int64s": np.int64,
    "bools": np.bool_,
    "strings": object,
}


def _values(column: pb.Column) -> _Array:
    kind = column.WhichOneof("values")
    if kind is None:
        return np.empty(0)
    values: _Array = np.array(getattr(column, kind).values, _DTYPES[kind])
    if not column.missing_rows:
        return values
    missing = np.array(column.missing_rows, np.int64)
    if kind in ("int32s", "int64s"):
        values = values.astype(np.float64)
    elif kind in ("bools", "strings"):
        values = values.astype(object)
        values[missing] = None
        return values
    values[missing] = np.nan
    return values
