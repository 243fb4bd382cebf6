"""Reads a log's calls into temporary files, one for each version that answered: a log may be larger than memory."""

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.logged import asked_outputs_of, request_of, response_of, scores
from bridge.codecs.scorebridge_v1.requests import COLUMN_TYPES, read_batch, read_type
from bridge.columns import Array, Batch, Column, Mask, Matrix, Table, Type, all_missing, take
from bridge.features.extras import drop_columns
from bridge.prediction_log.reader import Damage, Entry
from bridge.prediction_log.rows import CANCELLED
from bridge.prediction_log.selection import LogPass, Selection, selected

__all__ = [
    "CHUNK_CALLS",
    "CHUNK_ROWS",
    "AnsweredCall",
    "LoggedBatch",
    "LoggedVersion",
    "Spool",
    "VersionKey",
]

CHUNK_ROWS = 200_000
CHUNK_CALLS = 20_000  # a call of one row takes several kilobytes
_FRAME = struct.Struct("<QI")


class VersionKey(NamedTuple):
    """The version that answered calls.

    Attributes:
        model: the name of the model; empty if the calls name no version.
        version: the number of the version; 0 if the calls name none.
        digest: the digest of the bundle, which covers its every byte; empty if no call was answered.
    """

    model: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}" if self.version else "(no version)"


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredCall:
    """A logged call that was answered.

    Attributes:
        sequence: the number of the call's record in the log.
        record: the record.
        request: the request, without the columns that were ignored.
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
        request = request_of(record)
        drop_columns(request, record.ignored_columns)
        return cls(sequence, record, request, response_of(record), asked_outputs_of(record))

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
        the model scored make one batch here, and each range of other rows a batch of its own.

        Raises:
            InvalidRequest: the request has no rows that can be read.
        """
        batch = _with_kept_types(read_batch(self.request), self.record.kept_types)
        reasons = self.reasons(batch.rows)
        lost = (reasons != 0) & (reasons != pb.DEFAULT_REASON_MISSING_SCORE)
        if not lost.any() or (lost.all() and not self.response.failed_rows):
            return [LoggedBatch(self, np.arange(batch.rows), batch)] if batch.rows else []
        kept = np.flatnonzero(~lost)
        parts = [kept] if len(kept) else []
        parts += [
            np.arange(part.first, part.first + part.count)
            for part in self._not_by_model()
            if part.reason != pb.DEFAULT_REASON_MISSING_SCORE
        ]
        return [LoggedBatch(self, rows, take(batch, rows)) for rows in parts]

    def _not_by_model(self) -> list[pb.DefaultedRows | pb.FailedRows]:
        return [*self.response.defaulted_rows, *self.response.failed_rows]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedBatch:
    """Rows of one logged call that are scored again together.

    Attributes:
        call: the logged call.
        rows: the 0-based numbers of the rows in the call, ascending.
        batch: the rows' inputs.
    """

    call: AnsweredCall
    rows: Array
    batch: Batch


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


@dataclass(eq=False)
class LoggedVersion:
    """The logged calls of one version; the answered ones are kept in a temporary file.

    Attributes:
        key: the version.
        path: the temporary file.
        calls: the number of answered calls.
        failed: the number of calls that were answered with an error.
        cancelled: the number of calls that their caller cancelled.
        engines: the engines that computed the logged scores, as the records name them.
    """

    key: VersionKey
    path: Path
    calls: int = 0
    failed: int = 0
    cancelled: int = 0
    engines: set[str] = field(default_factory=set)

    def add(self, entry: Entry) -> None:
        """Counts an answered call and appends it to the file."""
        record = entry.record
        self.calls += 1
        if record.engine:
            self.engines.add(record.engine)
        body = record.SerializeToString()
        with self.path.open("ab") as file:
            file.write(_FRAME.pack(entry.sequence, len(body)) + body)

    def records(self) -> Iterator[tuple[int, log_pb.LogRecord]]:
        """Yields the sequence number and the record of each answered call, in the log's order."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            while start := file.read(_FRAME.size):
                sequence, length = _FRAME.unpack(start)
                yield sequence, log_pb.LogRecord.FromString(file.read(length))


@dataclass(eq=False)
class Spool:
    """The calls of a log, read once and grouped by version.

    Attributes:
        versions: the calls of each version; the key of a version that answered none has no digest.
        environments: the different environments of the machine that the segments name.
        damages: the places where the log can't be read.
        removed: the number of segments that were removed before they were read.
    """

    versions: dict[VersionKey, LoggedVersion] = field(default_factory=dict)
    environments: list[Mapping[str, str]] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    removed: int = 0

    @classmethod
    def read(cls, log: Path, selection: Selection, folder: Path, see: Callable[[Entry], None]) -> Self:
        """Reads a log into one temporary file for each version.

        Args:
            log: the folder of the log's segments.
            selection: which calls to take.
            folder: the folder for the temporary files.
            see: called with every call that is taken.

        Raises:
            LogNotReadable: there is no log.
            OSError: the log can't be read.
        """
        spool, unanswered = cls(), Counter[tuple[VersionKey, int]]()
        segments = LogPass(log)
        for entry in selected(segments.entries(), selection):
            record = entry.record
            if not (record.suppressed or scores(record)):
                continue
            see(entry)
            spool._see_environment(entry)
            # Callers may have asked for any number of models that never existed: these calls share one key.
            key = VersionKey(record.model, record.version, record.digest) if record.version else VersionKey("", 0, "")
            if record.status == 0 and record.response:
                spool._version(key, folder).add(entry)
            else:
                unanswered[key, record.status] += record.suppressed or 1
        for (key, status), count in unanswered.items():
            spool._count(key, status, count, folder)
        spool.damages, spool.removed = segments.damages, len(segments.removed)
        return spool

    def _version(self, key: VersionKey, folder: Path) -> LoggedVersion:
        if key not in self.versions:
            self.versions[key] = LoggedVersion(key, folder / f"{len(self.versions)}.calls")
        return self.versions[key]

    def _count(self, key: VersionKey, status: int, count: int, folder: Path) -> None:
        """Counts unanswered calls. A call that was refused early names no digest, and counts for its version's key."""
        if key not in self.versions:
            key = next((one for one in self.versions if one[:2] == key[:2]), key._replace(digest=""))
        version = self._version(key, folder)
        version.cancelled += count if status == CANCELLED else 0
        version.failed += count if status != CANCELLED else 0

    def _see_environment(self, entry: Entry) -> None:
        environment = dict(entry.header.environment)
        if environment and environment not in self.environments:
            self.environments.append(environment)
