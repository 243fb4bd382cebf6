"""Big batches: cut into calls of one `batch_id`, and their answers put together again in order."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.batch import MOST_BYTES, MOST_ROWS, Batch
from scorebridge.errors import ScoringError
from scorebridge.result import DefaultedRows, FailedRows, Scores, Source
from scorebridge.safety import event_name, falls_back
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MOST_IN_FLIGHT", "Piece", "cut", "put_together", "row_wise_version", "with_failed"]

MOST_IN_FLIGHT = 8


@dataclass(frozen=True)
class Piece:
    """Neighbouring rows of a big batch, which are sent as one call.

    Attributes:
        batch: the whole.
        version: that scores all of them.
        batch_id: of all of them.
        first: the row that it begins with.
        rows: how many it has.
    """

    batch: Batch
    version: int
    batch_id: str
    first: int
    rows: int

    def message(self) -> pb.ScoreRequest:
        """Built anew at each call: those of all pieces at once would double the batch."""
        request = self.batch.part(self.first, self.rows)
        request.request_id += f"/{self.first}"
        request.version = self.version
        request.batch_id = self.batch_id
        return request

    @contextmanager
    def naming_rows(self) -> Iterator[None]:
        """An error's message counts from the piece's own first row: says before it which rows they are."""
        try:
            yield
        except ScoringError as error:
            last = self.first + self.rows - 1
            error.args = (f"rows {self.first} to {last} of the batch: {error}",)
            raise

    def alone(self, error: ScoringError) -> ScoringError:
        """The error that this call ended with, if it costs no rows but its own.

        Raises:
            ScoringError: it costs the batch, which is not partial, or could be sent in no other way.
        """
        # A call is refused, too, where the model can take none of its rows.
        if self.batch.head.partial and (falls_back(error) or error.status == "INVALID_ARGUMENT"):
            return error
        raise error


def row_wise_version(details: Sequence[pb.ModelDetail], version: int) -> int | None:
    """The version that all pieces must name, so that none is scored by another; None if rows depend on each other."""
    chosen = [one for one in details if (one.version.version == version if version else one.version.serving)]
    return chosen[0].version.version if chosen and chosen[0].row_wise else None


def cut(batch: Batch, version: int) -> list[Piece]:
    """A batch in pieces of about a MiB and `MOST_ROWS` rows at most, in order."""
    pieces = max(-(-batch.size // MOST_BYTES), -(-batch.rows // MOST_ROWS))
    size = -(-batch.rows // pieces)
    batch_id = batch.head.batch_id or str(uuid.uuid4())
    return [
        Piece(batch, version, batch_id, first, min(size, batch.rows - first)) for first in range(0, batch.rows, size)
    ]


def with_failed(pieces: Sequence[Piece], outcomes: Sequence[Scores | ScoringError]) -> list[Scores]:
    """What became of each piece of a partial batch, as answers: the rows of those that ended with an error failed.

    Raises:
        ScoringError: all of them did; it is the first one.
    """
    errors = [one for one in outcomes if isinstance(one, ScoringError)]
    if len(errors) == len(pieces):
        raise errors[0]
    return [
        one if isinstance(one, Scores) else _without_scores(piece, one)
        for piece, one in zip(pieces, outcomes, strict=True)
    ]


def _without_scores(piece: Piece, error: ScoringError) -> Scores:
    failed = FailedRows(0, piece.rows, event_name(error), str(error))
    head = piece.batch.head
    return Scores(
        head.request_id, head.model, piece.version, "", {}, Source.MIXED, (), piece.rows, 0, 0.0, 0.0, (failed,)
    )


def put_together(answers: Sequence[Scores], request_id: str) -> Scores:
    """One answer for the whole batch; its times are the longest, its attempts the sum."""
    known = [answer for answer in answers if answer.columns]
    first = next((one for one in known if one.source is not Source.CLIENT_DEFAULT), known[0] if known else answers[0])
    defaults: list[DefaultedRows] = []
    failed: list[FailedRows] = []
    rows = 0
    for answer in answers:
        defaults += [replace(part, first=rows + part.first) for part in answer.defaults]
        failed += [replace(part, first=rows + part.first) for part in answer.failed_rows]
        rows += answer.rows
    sources = {answer.source for answer in answers}
    return replace(
        first,
        request_id=request_id,
        columns={name: np.concatenate([_column(answer, name, first) for answer in answers]) for name in first.columns},
        source=sources.pop() if len(sources) == 1 else Source.MIXED,
        defaults=tuple(defaults),
        rows=rows,
        attempts=sum(answer.attempts for answer in answers),
        queue_s=max(answer.queue_s for answer in answers),
        backend_s=max(answer.backend_s for answer in answers),
        failed_rows=tuple(failed),
    )


def _column(answer: Scores, name: str, shown: Scores) -> NDArray[Any]:
    """A client default knows the outputs only if the model was described or has answered before."""
    if name in answer.columns:
        return answer.columns[name]
    values = shown.columns[name]
    if not answer.columns:  # of a call that failed alone
        numbers = np.issubdtype(values.dtype, np.number)
        kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(np.float64)
        return np.full(answer.rows, np.nan, kind) if numbers else np.full(answer.rows, None, object)
    text = len(shown.columns) > 1 and values.dtype == object
    return np.full(answer.rows, None, object) if text else next(iter(answer.columns.values()))
