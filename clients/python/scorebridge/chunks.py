"""Big batches: cut into chunks, each a call of one `batch_id`, and their answers put together again in order."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.batch import MOST_BYTES, MOST_ROWS, Batch
from scorebridge.errors import ScoringError
from scorebridge.fallback import event_name, falls_back
from scorebridge.models import ModelDetail
from scorebridge.result import DefaultedRows, FailedRows, Scores, Source
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MOST_IN_FLIGHT", "Chunk", "answers_of", "cut", "put_together", "row_wise_version"]

MOST_IN_FLIGHT = 8


@dataclass(frozen=True)
class Chunk:
    """Neighbouring rows of a big batch, which are sent as one call.

    Attributes:
        batch: the big batch.
        version: the model's version that scores every chunk of the batch.
        batch_id: the id that the calls of all chunks have in the prediction log.
        first: the row of the batch that the chunk begins with, from 0.
        rows: how many rows the chunk has.
    """

    batch: Batch
    version: int
    batch_id: str
    first: int
    rows: int

    def message(self) -> pb.ScoreRequest:
        """The chunk as a request.

        It is built anew each time, because the requests of all chunks at once would double the batch's memory.
        """
        request = self.batch.chunk(self.first, self.rows)
        request.request_id += f"/{self.first}"
        request.version = self.version
        request.batch_id = self.batch_id
        return request

    @contextmanager
    def naming_rows(self) -> Iterator[None]:
        """Puts before an error's message which rows of the batch it is about: it counts them from the chunk's first."""
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


def row_wise_version(details: Sequence[ModelDetail], version: int) -> int | None:
    """The version that all chunks must name, so that none is scored by another; None if rows depend on each other."""
    chosen = [one for one in details if (one.version.version == version if version else one.version.serving)]
    return chosen[0].version.version if chosen and chosen[0].row_wise else None


def cut(batch: Batch, version: int) -> list[Chunk]:
    """A batch in chunks of about a MiB and `MOST_ROWS` rows at most, in order."""
    chunks = max(-(-batch.size // MOST_BYTES), -(-batch.rows // MOST_ROWS))
    size = -(-batch.rows // chunks)
    batch_id = batch.head.batch_id or str(uuid.uuid4())
    return [
        Chunk(batch, version, batch_id, first, min(size, batch.rows - first)) for first in range(0, batch.rows, size)
    ]


def answers_of(chunks: Sequence[Chunk], outcomes: Sequence[Scores | ScoringError]) -> list[Scores]:
    """The answers to the chunks of a big batch. Of a chunk that ended with an error all rows failed.

    Args:
        chunks: of the batch, in order.
        outcomes: what each chunk ended with.

    Raises:
        ScoringError: every chunk ended with an error; the first of them is raised.
    """
    errors = [one for one in outcomes if isinstance(one, ScoringError)]
    if len(errors) == len(chunks):
        raise errors[0]
    return [
        one if isinstance(one, Scores) else _without_scores(chunk, one)
        for chunk, one in zip(chunks, outcomes, strict=True)
    ]


def _without_scores(chunk: Chunk, error: ScoringError) -> Scores:
    failed = FailedRows(0, chunk.rows, event_name(error), str(error))
    head = chunk.batch.head
    return Scores(
        head.request_id, head.model, chunk.version, "", {}, Source.MIXED, (), chunk.rows, 0, 0.0, 0.0, (failed,)
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
