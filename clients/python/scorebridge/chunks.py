"""Big batches: cuts them into chunks that are sent as calls of one `batch_id`, and joins the answers in order."""

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
from scorebridge.lookups import join_lookups
from scorebridge.models import ModelDetail
from scorebridge.result import DefaultedRows, FailedRows, Scores, Source
from scorebridge.v1 import scoring_pb2 as pb
from scorebridge.whole_scores import join_scores

__all__ = ["MOST_IN_FLIGHT", "Chunk", "answers_of", "cut", "put_together", "row_wise_version"]

MOST_IN_FLIGHT = 8  # calls of one big batch at a time


@dataclass(frozen=True)
class Chunk:
    """Neighbouring rows of a big batch, which are sent as one call.

    Attributes:
        batch: the big batch.
        version: the model's version that scores every chunk of the batch.
        batch_id: the id that the calls of all chunks share in the prediction log.
        first: the number of the chunk's first row in the batch, from 0.
        rows: the number of rows in the chunk.
    """

    batch: Batch
    version: int
    batch_id: str
    first: int
    rows: int

    def message(self) -> pb.ScoreRequest:
        """Returns the chunk's request.

        The request is built when it is needed: the requests of all chunks at once would double the batch's memory.
        """
        request = self.batch.chunk(self.first, self.rows)
        request.request_id += f"/{self.first}"
        request.version = self.version
        request.batch_id = self.batch_id
        return request

    @contextmanager
    def naming_rows(self) -> Iterator[None]:
        """Prefixes an error's message with the chunk's rows: the gateway counts rows from the first of the chunk."""
        try:
            yield
        except ScoringError as error:
            last = self.first + self.rows - 1
            error.args = (f"rows {self.first} to {last} of the batch: {error}",)
            raise

    def alone(self, error: ScoringError) -> ScoringError:
        """Returns the error of this chunk's call if only the chunk's own rows fail by it; raises it otherwise.

        Raises:
            ScoringError: `error` itself, which fails the whole batch: the batch is not partial, or every chunk would
                get this error.
        """
        # INVALID_ARGUMENT may be about this chunk alone: a partial call is refused if the model can take none of its
        # rows.
        if self.batch.head.partial and (falls_back(error) or error.status == "INVALID_ARGUMENT"):
            return error
        raise error


def row_wise_version(details: Sequence[ModelDetail], version: int) -> int | None:
    """Returns the version that every chunk is to name, so that one version scores them all.

    Args:
        details: the versions that the gateway described.
        version: the version that the caller named; 0 for the one that serves.

    Returns:
        The version's number; None if the version is not there or not row-wise, so that the batch must stay whole.
    """
    chosen = [one for one in details if (one.version.version == version if version else one.version.serving)]
    return chosen[0].version.version if chosen and chosen[0].row_wise else None


def cut(batch: Batch, version: int) -> list[Chunk]:
    """Returns a batch cut into chunks of about 1 MiB and at most `MOST_ROWS` rows, in order."""
    chunks = max(-(-batch.size // MOST_BYTES), -(-batch.rows // MOST_ROWS))
    size = -(-batch.rows // chunks)
    batch_id = batch.head.batch_id or str(uuid.uuid4())
    return [
        Chunk(batch, version, batch_id, first, min(size, batch.rows - first)) for first in range(0, batch.rows, size)
    ]


def answers_of(chunks: Sequence[Chunk], outcomes: Sequence[Scores | ScoringError]) -> list[Scores]:
    """Returns an answer for each chunk of a big batch; of a chunk whose call raised an error, all rows are failed rows.

    Args:
        chunks: the chunks of the batch, in order.
        outcomes: the scores or the error of each chunk's call.

    Raises:
        ScoringError: the first chunk's error, if every chunk's call raised one.
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
    """Returns one answer for a whole batch: the longest times of its chunks, and all their attempts and lookups."""
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
        columns={name: join_scores([_column(answer, name, first) for answer in answers]) for name in first.columns},
        source=sources.pop() if len(sources) == 1 else Source.MIXED,
        defaults=tuple(defaults),
        rows=rows,
        attempts=sum(answer.attempts for answer in answers),
        queue_s=max(answer.queue_s for answer in answers),
        backend_s=max(answer.backend_s for answer in answers),
        failed_rows=tuple(failed),
        lookups=join_lookups(answer.lookups for answer in answers),
    )


def _column(answer: Scores, name: str, shown: Scores) -> NDArray[Any]:
    """Returns a chunk's values of one output, in the type that the answer `shown` has for it.

    A chunk with a client default may lack the output: the client knows a model's outputs only from an earlier answer or
    description. A chunk whose call failed has no outputs.
    """
    if name in answer.columns:
        return answer.columns[name]
    values = shown.columns[name]
    if not answer.columns:  # of a chunk whose call failed
        numbers = np.issubdtype(values.dtype, np.number)
        kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(np.float64)
        return np.full(answer.rows, np.nan, kind) if numbers else np.full(answer.rows, None, object)
    text = len(shown.columns) > 1 and values.dtype == object
    return np.full(answer.rows, None, object) if text else next(iter(answer.columns.values()))
