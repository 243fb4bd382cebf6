"""Reads a log's calls into temporary files, one for each version that answered: a log may be larger than memory."""

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.codecs.logged import scores
from bridge.prediction_log.reader import Damage, Entry
from bridge.prediction_log.rows import CANCELLED
from bridge.prediction_log.selection import LogPass, Selection, selected

__all__ = ["CHUNK_CALLS", "CHUNK_ROWS", "LoggedVersion", "Spool", "VersionKey"]

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
