"""Counts the calls of a log by version, each against the reference of that version."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.drift.logged_rows import is_counted, read_rows
from bridge.drift.reference import Reference
from bridge.drift.shift import Shift, VersionShifts
from bridge.drift.tally import Tally
from bridge.errors import InvalidRequest

__all__ = ["Against", "References", "VersionTallies"]

_MOST_VERSIONS = 1_000
_MOST_HELD_BYTES = 8 << 20
_NANOS = 10**9


class Against(NamedTuple):
    """What the calls of a version are compared with.

    Attributes:
        reference: the reference rows; None if there are none.
        names: the names of the model's features in its own order, for calls that name none; None if not known.
        why: why there are no reference rows, in words; empty if there are.
    """

    reference: Reference | None
    names: Sequence[str] | None = None
    why: str = ""


class References(Protocol):
    """Where the reference rows of versions come from."""

    def of(self, model: str, version: int, digest: str) -> Against | None:
        """Returns what the calls of a version are compared with; None if they are not to be counted.

        Args:
            model: the name of the model.
            version: the number of the version.
            digest: the digest of the version's bundle, as it is on record.
        """


class VersionTallies:
    """Counts records by model and version; of more than 1,000 versions the first ones.

    Args:
        references: where the reference rows of each version come from.

    Attributes:
        left_out: the number of calls of versions beyond the first 1,000.
    """

    def __init__(self, references: References) -> None:
        self.left_out = 0
        self._held_bytes = 0
        self._references = references
        self._versions: dict[tuple[str, int, str], _VersionTally | None] = {}

    def add(self, record: log_pb.LogRecord) -> None:
        """Counts the call of a record, if a version answered it."""
        if not is_counted(record):
            return
        key = record.model, record.version, record.digest
        if key not in self._versions and len(self._versions) >= _MOST_VERSIONS:
            self.left_out += 1
            return
        self.expect(*key)
        if (tally := self._versions[key]) is not None:
            tally.add(record)
            self._held_bytes += record.ByteSize()
        if self._held_bytes >= _MOST_HELD_BYTES:
            self._settle()

    def expect(self, model: str, version: int, digest: str) -> None:
        """Makes a version one of those that `shifts` tells of even if no call is added, unless it is not to be counted.

        Args:
            model: the name of the model.
            version: the number of the version.
            digest: the digest of the version's bundle.
        """
        key = model, version, digest
        if key not in self._versions:
            against = self._references.of(*key)
            self._versions[key] = None if against is None else _VersionTally(against)

    def shifts(
        self, since: datetime | None, until: datetime | None, *, whole: bool = True, why: str = ""
    ) -> tuple[VersionShifts, ...]:
        """Returns how far each version has moved, sorted by model and version.

        Args:
            since: when the time that was asked for begins; None for the first call of each version.
            until: when it ends; None for the last call of each version.
            whole: whether all of the log's calls in that time were added.
            why: which part of the time was added, in words; empty if it is whole.
        """
        found: list[VersionShifts] = []
        for model, version, digest in sorted(self._versions):
            tally = self._versions[model, version, digest]
            if tally is None:
                continue
            shifts = tally.shifts()
            begin, end = since or _time(tally.first_ns), until or _time(tally.last_ns)
            said = "; ".join(filter(None, [why, *tally.notes()]))
            found.append(
                VersionShifts(
                    model=model,
                    version=version,
                    shifts=shifts,
                    rows=tally.rows,
                    default_rows=tally.default_rows,
                    since=begin,
                    until=end,
                    whole=whole,
                    why=said,
                )
            )
        return tuple(found)

    def _settle(self) -> None:
        for tally in filter(None, self._versions.values()):
            tally.settle()
        self._held_bytes = 0


class _VersionTally:
    def __init__(self, against: Against) -> None:
        self.rows = self.default_rows = self.first_ns = self.last_ns = 0
        self._why, self._names, self._reference = against.why, against.names, against.reference
        self._unnamed_rows = self._unread_calls = 0
        self._features = self._scores = None
        if against.reference is not None:
            self._features = Tally("feature", against.reference)
            self._scores = Tally("score", against.reference)

    def settle(self) -> None:
        """Counts the rows that are still held."""
        for tally in filter(None, (self._features, self._scores)):
            tally.settle()

    def add(self, record: log_pb.LogRecord) -> None:
        self.first_ns = min(self.first_ns or record.received_ns, record.received_ns)
        self.last_ns = max(self.last_ns, record.received_ns)
        try:
            found = read_rows(record, self._names)
        except InvalidRequest:
            self._unread_calls += 1
            return
        self.rows += found.rows
        self.default_rows += found.default_rows
        if self._features is not None and self._scores is not None:
            self._unnamed_rows += found.rows if found.unnamed else 0
            self._features.add(found.features)
            self._scores.add(found.scores, alone=found.alone)

    def notes(self) -> list[str]:
        """Returns what could not be compared, a sentence each."""
        notes = [self._why] if self._why else []
        if not self.rows and not self._unread_calls:
            notes.append("no row was answered with a score in this time")
        if self._unnamed_rows:
            notes.append(
                f"the features of {self._unnamed_rows} rows don't count: they came as a matrix without names of columns"
            )
        if self._unread_calls:
            notes.append(f"{self._unread_calls} calls can't be read")
        if any(one.is_full for one in (self._features, self._scores) if one is not None):
            notes.append("calls have more than 16384 different columns, and the further ones don't count")
        return notes

    def shifts(self) -> tuple[Shift, ...]:
        if self._reference is None or self._features is None or self._scores is None or not self.rows:
            return ()
        shifts = [*self._features.shifts(), *self._scores.shifts()]
        used, rows = self._features.used() | self._scores.used(), self._reference.rows
        shifts += [Shift(name, kind, None, 0, rows, "no call has it") for name, kind in self._reference.others(used)]
        return tuple(shifts)


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / _NANOS, UTC)
