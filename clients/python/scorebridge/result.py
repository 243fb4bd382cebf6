"""What a call gives back: scores, and for each row where its score comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.errors import senseless_answer
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["DefaultedRows", "FailedRows", "Scores", "Source", "read_scores"]

_Array = NDArray[Any]


class Source(StrEnum):
    """Where the scores of an answer come from.

    MODEL: the model, all of them. DEFAULT: they are default scores that the gateway gave. CLIENT_DEFAULT: they are
    default scores that this client gave, because no gateway answered. MIXED: not all rows' scores come from one of
    these; or some rows have none.
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
        by_client: this client gave the scores, because no gateway answered; else the gateway did.
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
        columns: by name of the output: numbers (missing ones NaN), truth values or text (missing ones None). What
            explains scores (contributions, leaves, reasons) is missing where these are defaults. Failed rows are
            missing in all of them.
        source: MODEL; DEFAULT, by the gateway; CLIENT_DEFAULT, by this client because no gateway answered; or MIXED.
        defaults: the ranges of rows that carry default scores.
        failed_rows: the ranges of rows that have no score, of a call with `partial`; the source is then MIXED.
        rows: how many rows were sent.
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
    failed_rows: tuple[FailedRows, ...] = ()

    @cached_property
    def scores(self) -> _Array:
        """The scores: shape (rows,) of a model with one output, else (rows, outputs); objects if one of them is text.

        Contributions, leaves and reasons are outputs too: of a model that gives them, ask `columns` for the score.
        """
        columns = list(self.columns.values())
        return columns[0] if len(columns) == 1 else np.column_stack(columns or [np.empty((self.rows, 0))])

    @cached_property
    def defaulted(self) -> NDArray[np.bool_]:
        """Which rows carry a default score, shape (rows,)."""
        return self._marked(self.defaults)

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Which rows have no score, because the model could not score them, shape (rows,)."""
        return self._marked(self.failed_rows)

    @cached_property
    def reasons(self) -> list[str | None]:
        """Why each row carries a default score, or failed, such as "DEADLINE"; None where the score is the model's."""
        reasons: list[str | None] = [None] * self.rows
        parts: Sequence[DefaultedRows | FailedRows] = (*self.defaults, *self.failed_rows)
        for part in parts:
            reasons[part.first : part.first + part.count] = [part.reason] * part.count
        return reasons

    def to_pandas(self, index: Any = None) -> Any:
        """The answer as a pandas frame, a row each: the outputs by name, `source`, `reason` and `version`.

        `source` is MODEL, DEFAULT, CLIENT_DEFAULT or FAILED; `reason` is missing where the score is the model's.

        Args:
            index: the labels of the rows, one each, such as the index of the frame that was sent; 0, 1, ... without.

        Raises:
            ImportError: pandas is not installed.
            ValueError: there is not one label a row, or an output has the name of one of the other columns.
        """
        pandas = import_module("pandas")
        if index is not None and len(index) != self.rows:
            raise ValueError(f"{len(index)} labels of an index for {self.rows} rows")
        marks = {"source": self._sources(), "reason": self.reasons, "version": np.full(self.rows, self.version)}
        if twice := self.columns.keys() & marks.keys():
            raise ValueError(f"an output is named '{min(twice)}' too: take it from `columns`")
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
    """The answer that a gateway's message holds.

    Args:
        response: the message.
        rows: how many rows the call had.

    Raises:
        PredictionFailed: the message makes no sense for so many rows, or does not say where its scores come from.
    """
    source = _SOURCES.get(response.source)
    if source is None:
        raise senseless_answer(f"scores of source {response.source}")
    if rows and not response.scores:
        raise senseless_answer("no scores")
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
    )


def _defaulted(part: pb.DefaultedRows, rows: int) -> DefaultedRows:
    return DefaultedRows(part.first, part.count, _reason("default scores", part, rows), part.detail)


def _failed(part: pb.FailedRows, rows: int) -> FailedRows:
    return FailedRows(part.first, part.count, _reason("failures", part, rows), part.detail)


def _reason(what: str, part: pb.DefaultedRows | pb.FailedRows, rows: int) -> str:
    if part.first + part.count > rows:
        raise senseless_answer(f"{what} of rows {part.first} to {part.first + part.count - 1} of {rows}")
    # A newer gateway may have reasons that have no name here.
    known = part.reason in pb.DefaultReason.values()
    return pb.DefaultReason.Name(part.reason).removeprefix("DEFAULT_REASON_") if known else f"REASON_{part.reason}"


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
        raise senseless_answer(f"{len(values)} scores for {rows} rows")
    if not column.missing_rows:
        return values
    missing = np.array(column.missing_rows, np.int64)
    if missing.max() >= rows:
        raise senseless_answer(f"row {missing.max()} of {rows} is missing")
    if kind in ("int32s", "int64s"):
        values = values.astype(np.float64)
    elif kind in ("bools", "strings"):
        values = values.astype(object)
        values[missing] = None
        return values
    values[missing] = np.nan
    return values
