"""The answer to a call: the scores, and for each row where its score comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.errors import senseless_answer
from scorebridge.lookups import Lookup, read_lookups
from scorebridge.reasons import reason_name
from scorebridge.v1 import scoring_pb2 as pb
from scorebridge.whole_scores import with_missing

__all__ = ["DefaultedRows", "FailedRows", "Scores", "Source", "read_scores"]

_Array = NDArray[Any]


class Source(StrEnum):
    """Where the scores of an answer come from.

    MODEL: all scores are the model's. DEFAULT: all are default scores that the gateway gave. CLIENT_DEFAULT: all are
    default scores that this client gave, because no gateway answered. MIXED: the rows' scores have several sources, or
    some rows have no score.
    """

    MODEL = "MODEL"
    DEFAULT = "DEFAULT"
    MIXED = "MIXED"
    CLIENT_DEFAULT = "CLIENT_DEFAULT"


@dataclass(frozen=True)
class DefaultedRows:
    """Neighbouring rows that carry default scores for one reason.

    Attributes:
        first: the first of the rows, from 0.
        count: how many rows.
        reason: UPPER_SNAKE name of the event, such as "DEADLINE".
        detail: the event in a sentence; it holds no input values.
        by_client: True if this client gave the scores, because no gateway answered; False if the gateway gave them.
    """

    first: int
    count: int
    reason: str
    detail: str
    by_client: bool = False


@dataclass(frozen=True)
class FailedRows:
    """Neighbouring rows that have no score for one reason, in the answer to a call with `partial`.

    Attributes:
        first: the first of the rows, from 0.
        count: how many rows.
        reason: UPPER_SNAKE name of the event, such as "INVALID_VALUE".
        detail: the event in a sentence; it holds no input values.
    """

    first: int
    count: int
    reason: str
    detail: str


@dataclass(frozen=True, eq=False)
class Scores:
    """The answer to one call; arrays have one entry per row, in the order of the rows that were sent.

    Attributes:
        request_id: the call's id.
        model: the model's name.
        version: the version that answered.
        digest: "sha256:" and 64 hex digits over every byte of that version's bundle; empty if no gateway answered.
        columns: the values of each output, by its name: numbers (missing ones NaN), truth values or text (missing ones
            None). Whole numbers of which one is missing are doubles, but objects with None if a double does not hold
            all of them. Outputs that explain scores (contributions, leaves, reasons) are missing in rows with a default
            score. Every output is missing in failed rows.
        source: where the scores come from; `Source` explains the values.
        defaults: the ranges of rows that carry default scores.
        failed_rows: the ranges of rows without a score, in a call with `partial`; `source` is then MIXED.
        rows: the number of rows that were sent.
        attempts: how many times the gateway asked a worker; summed over the chunks of a big batch.
        queue_s: how long the call waited for a worker, seconds; the longest of the chunks of a big batch.
        backend_s: how long the model took, seconds; the longest of the chunks of a big batch.
        lookups: where the features came from that the gateway looked up by the keys in the rows, one entry for each
            lookup of the model that the call needed. Of a big batch, a lookup has an entry for each feature batch that
            its chunks were answered from, and for each reason for which it failed.
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
    failed_rows: tuple[FailedRows, ...] = ()
    lookups: tuple[Lookup, ...] = ()

    @cached_property
    def scores(self) -> _Array:
        """The scores as one array: shape (rows,) for one output, (rows, outputs) for several; objects if one is text.

        Contributions, leaves and reasons are outputs too: of a model that gives them, take the score from `columns`.
        """
        columns = list(self.columns.values())
        return columns[0] if len(columns) == 1 else np.column_stack(columns or [np.empty((self.rows, 0))])

    @cached_property
    def defaulted(self) -> NDArray[np.bool_]:
        """Which rows carry a default score, shape (rows,)."""
        return self._marked(self.defaults)

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Which rows have no score, because they could not be scored, shape (rows,)."""
        return self._marked(self.failed_rows)

    @cached_property
    def reasons(self) -> list[str | None]:
        """Each row's reason for its default score or its failure, such as "DEADLINE"; None for a score of the model."""
        reasons: list[str | None] = [None] * self.rows
        parts: Sequence[DefaultedRows | FailedRows] = (*self.defaults, *self.failed_rows)
        for part in parts:
            reasons[part.first : part.first + part.count] = [part.reason] * part.count
        return reasons

    def to_pandas(self, index: Any = None) -> Any:
        """Returns the answer as a pandas frame, one line for each row: its outputs, `source`, `reason` and `version`.

        `source` is MODEL, DEFAULT, CLIENT_DEFAULT or FAILED; `reason` is None where the score is the model's.

        Args:
            index: a label for each row, such as the index of the frame that was sent; None for 0, 1, 2, ...

        Raises:
            ImportError: pandas is not installed.
            ValueError: there is not one label for each row, or an output is named like one of the other columns.
        """
        pandas = import_module("pandas")
        if index is not None and len(index) != self.rows:
            raise ValueError(f"index has {len(index)} labels for {self.rows} rows: pass one label for each row")
        marks = {"source": self._sources(), "reason": self.reasons, "version": np.full(self.rows, self.version)}
        if twice := self.columns.keys() & marks.keys():
            raise ValueError(f"the model has an output named '{min(twice)}', as this frame has: use `columns` instead")
        return pandas.DataFrame(self.columns | marks, index=index)

    def _sources(self) -> _Array:
        sources = np.full(self.rows, Source.MODEL.value, object)
        for part in self.defaults:
            kind = Source.CLIENT_DEFAULT if part.by_client else Source.DEFAULT
            sources[part.first : part.first + part.count] = kind.value
        sources[self.failed] = "FAILED"
        return sources

    def _marked(self, parts: Sequence[DefaultedRows | FailedRows]) -> NDArray[np.bool_]:
        marked = np.zeros(self.rows, np.bool_)
        for part in parts:
            marked[part.first : part.first + part.count] = True
        return marked


_SOURCES = {
    pb.SCORE_SOURCE_MODEL: Source.MODEL,
    pb.SCORE_SOURCE_DEFAULT: Source.DEFAULT,
    pb.SCORE_SOURCE_MIXED: Source.MIXED,
}


def read_scores(response: pb.ScoreResponse, rows: int) -> Scores:
    """Returns the scores in a gateway's answer.

    Args:
        response: the gateway's answer.
        rows: the number of rows in the call.

    Raises:
        PredictionFailed: the answer does not fit the number of rows, or does not say where its scores come from.
    """
    source = _SOURCES.get(response.source)
    if source is None:
        raise senseless_answer(f"its source of scores is {response.source}, which this client does not know")
    if rows and not response.scores:
        raise senseless_answer(f"it has no scores for {rows} rows")
    return Scores(
        request_id=response.request_id,
        model=response.model,
        version=response.version,
        digest=response.digest,
        columns={column.name: _values(column, rows) for column in response.scores},
        source=source,
        defaults=tuple(_defaulted(part, rows) for part in response.defaulted_rows),
        rows=rows,
        attempts=response.attempts,
        queue_s=_seconds(response.queue_time),
        backend_s=_seconds(response.backend_time),
        failed_rows=tuple(_failed(part, rows) for part in response.failed_rows),
        lookups=read_lookups(response.lookups, rows),
    )


def _defaulted(part: pb.DefaultedRows, rows: int) -> DefaultedRows:
    return DefaultedRows(part.first, part.count, _reason("default scores", part, rows), part.detail)


def _failed(part: pb.FailedRows, rows: int) -> FailedRows:
    return FailedRows(part.first, part.count, _reason("failures", part, rows), part.detail)


def _reason(what: str, part: pb.DefaultedRows | pb.FailedRows, rows: int) -> str:
    if part.first + part.count > rows:
        last = part.first + part.count - 1
        raise senseless_answer(f"it reports {what} for rows {part.first} to {last}, but the call had {rows} rows")
    return reason_name(part.reason)


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


def _values(column: pb.Column, rows: int) -> _Array:
    kind = column.WhichOneof("values") or "doubles"
    values: _Array = np.array(getattr(column, kind).values, _DTYPES[kind])
    if len(values) != rows:
        raise senseless_answer(f"it has {len(values)} scores for {rows} rows")
    if not column.missing_rows:
        return values
    missing = np.array(column.missing_rows, np.int64)
    if missing.max() >= rows:
        raise senseless_answer(f"it reports row {missing.max()} as missing, but the call had {rows} rows")
    if kind in ("int32s", "int64s"):
        return with_missing(values, missing)
    if kind in ("bools", "strings"):
        values = values.astype(object)
        values[missing] = None
        return values
    values[missing] = np.nan
    return values
