"""Scores one partition of a Spark frame, in the executor process that has it."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bridge.calls import Output
from bridge.errors import BridgeError
from bridge.offline.chunk_scoring import ChunkScoring
from bridge.offline.executors.resident import Bundled, resident
from bridge.offline.model_columns import outputs_of
from bridge.offline.output_rows import output_schema, output_table
from bridge.offline.run_options import usual_chunk_rows
from bridge.offline.scored_chunk import ScoredChunk
from bridge.row_files.arrow_columns import columns_of, key_texts
from bridge.row_files.chunk_building import INVALID_VALUE, Fault, Faults, build_chunk
from bridge.row_files.input_chunk import InputChunk, Reject

__all__ = ["DETAIL", "PartitionScoring", "RowsRejected"]

DETAIL = "detail"
_FAILED = "FAILED"  # as the clients mark such rows in their frames


class RowsRejected(BridgeError):
    """Rows of a Spark frame got no score; the message names the first of them, and how to keep them."""

    reason = "ROWS_REJECTED"


@dataclass(frozen=True)
class PartitionScoring:
    """The function that Spark maps over a frame's partitions; it is sent to the executors.

    Attributes:
        bundled: the version that scores.
        names: the names of the columns that come, in order.
        sent: those of them that are sent to the model.
        echoed: those of them that are copied, the key column first.
        key: the column of row keys; None for none.
        default: whether rows that can't be scored get default scores: False for none, True for the model's own, a
            number for this one.
        keep_rejects: whether rows without a score are kept, marked as such; if not, they end the job.
        patience_s: how long to wait while the model can't score, seconds.
    """

    bundled: Bundled
    names: tuple[str, ...]
    sent: tuple[str, ...]
    echoed: tuple[str, ...]
    key: str | None
    default: float | bool
    keep_rejects: bool
    patience_s: float

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields the rows of the batches, in their order, with scores.

        Raises:
            BridgeError: the model can't be loaded or can't go on, or rows got no score that are not to be kept.
        """
        held = resident(self.bundled)
        detail = held.scorer.detail
        outputs = outputs_of(detail)
        scoring = ChunkScoring(
            held.scorer,
            run_id=f"spark-{uuid.uuid4()}",
            row_wise=True,
            default=self.default,
            workers=1,
            patience_s=self.patience_s,
        )
        most = min(usual_chunk_rows(len(self.sent)), held.scorer.max_batch_rows)
        number = first = 0
        for batch in batches:
            named = pa.Table.from_arrays(batch.columns, names=list(self.names))
            for at in range(0, named.num_rows, most):
                rows = named.slice(at, most)
                chunk = self._chunk(rows, number, first)
                scored = held.loop.run(scoring.score(chunk))
                yield from self._written(rows, chunk, scored, outputs).to_batches()
                number, first = number + 1, first + rows.num_rows

    def _chunk(self, rows: pa.Table, number: int, first: int) -> InputChunk:
        refused: dict[int, tuple[str, str]] = {}
        columns = columns_of(rows, self.sent, refused)
        faults: Faults = {row: Fault(column, INVALID_VALUE, said) for row, (column, said) in refused.items()}
        keys = None if self.key is None else key_texts(rows.column(self.key))
        echoed = rows.select(list(self.echoed))
        return build_chunk((number, "", first), columns, echoed, keys=keys, key_column=self.key, faults=faults)

    def _written(self, rows: pa.Table, chunk: InputChunk, scored: ScoredChunk, outputs: tuple[Output, ...]) -> pa.Table:
        rejects = sorted((*chunk.rejects, *scored.rejects), key=lambda reject: reject.row)
        schema = output_schema(rows.select(list(self.echoed)).schema, outputs, {})
        table = output_table(schema, chunk, scored, self.bundled.version, {})
        if not self.keep_rejects:
            if rejects:
                raise self._refusal(rejects, chunk)
            return table
        table = table.append_column(DETAIL, pa.nulls(table.num_rows, pa.string()))
        if not rejects:
            return table
        left = self._without_scores(table.schema, rows, chunk, rejects)
        places = [*chunk.places[scored.kept].tolist(), *(reject.row - 1 for reject in rejects)]
        return pa.concat_tables([table, left]).take(np.argsort(places))

    def _without_scores(self, schema: pa.Schema, rows: pa.Table, chunk: InputChunk, rejects: list[Reject]) -> pa.Table:
        """Returns the rows that got no score: what is copied of them, and why."""
        count = len(rejects)
        taken = rows.take(pa.array([reject.row - 1 - chunk.first for reject in rejects]))
        known: dict[str, Any] = {name: taken.column(name).cast(schema.field(name).type) for name in self.echoed}
        known["source"] = pa.array([_FAILED] * count, pa.string())
        known["reason"] = pa.array([reject.reason for reject in rejects], pa.string())
        known["version"] = pa.array([self.bundled.version] * count, pa.int64())
        known[DETAIL] = pa.array([_sentence(reject) for reject in rejects], pa.string())
        columns = [known[field.name] if field.name in known else pa.nulls(count, field.type) for field in schema]
        return pa.Table.from_arrays(columns, schema=schema)

    def _refusal(self, rejects: list[Reject], chunk: InputChunk) -> RowsRejected:
        from pyspark import TaskContext  # noqa: PLC0415 - an extra, which only Spark's own processes are sure to have

        context, first = TaskContext.get(), rejects[0]
        where = "" if context is None else f"partition {context.partitionId()}, "
        which = f"{self.bundled.model}/{self.bundled.version}"
        return RowsRejected(
            f"{which}: {where}row {first.row}: {_sentence(first)} ({first.reason}); {len(rejects)} of the {chunk.rows}"
            ' rows of its chunk got no score: mend them, ask for default scores, or say rejects="keep", which keeps'
            f" such rows with source '{_FAILED}'"
        )


def _sentence(reject: Reject) -> str:
    named = f"column '{reject.column}': "
    return reject.detail if not reject.column or named in reject.detail else f"{named}{reject.detail}"
