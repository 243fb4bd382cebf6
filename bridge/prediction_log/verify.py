"""Checks that a log is whole: frames, the chain of segments, and the numbers of the records. Never writes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.prediction_log.folder import first_sequence, suspect_mark
from bridge.prediction_log.reader import Damage, Entry, Segment
from bridge.prediction_log.selection import LogPass

__all__ = ["Finding", "Verification", "verify", "verify_pass"]


class Finding(NamedTuple):
    """One thing that was found in a log.

    Attributes:
        segment: the file name of the segment.
        offset: the place in the segment, in bytes.
        text: what was found there, in words.
    """

    segment: str
    offset: int
    text: str

    def __str__(self) -> str:
        return f"{self.segment} at {self.offset}: {self.text}"


@dataclass
class Verification:
    """The result of checking a log.

    Attributes:
        segments: the number of segments.
        records: the number of undamaged records.
        findings: what is wrong: damage, broken links of the chain, record numbers that are missing or come twice.
        torn_tails: unfinished records at the end of segments, as a killed gateway leaves them; their calls were not
            answered.
        notes: what is not wrong, such as segments that retention removed.
    """

    segments: int = 0
    records: int = 0
    findings: list[Finding] = field(default_factory=list)
    torn_tails: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; torn tails and notes are allowed."""
        return not self.findings


def verify(folder: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Verification:
    """Checks a whole log in constant memory; a gateway may write to it meanwhile.

    Args:
        folder: the folder of the log.
        on_bytes: called now and then with the number of bytes that were read since the last time.

    Raises:
        LogNotReadable: there is no log in the folder.
        OSError: a segment can't be read.
    """
    return verify_pass(LogPass(folder, on_bytes))


def verify_pass(log: LogPass) -> Verification:
    """Checks a log by a `LogPass` of the caller, who may need its size for a progress bar; see `verify`."""
    checker = _Checker()
    for segment in log.segments:
        checker.check(log, segment)
    return checker.result


class _Checker:
    """Checks one segment after the other, and keeps the hash and record number that the next one must continue."""

    def __init__(self) -> None:
        self.result = Verification()
        self._first = True
        self._previous: bytes | None = None  # the SHA-256 of the segment before, where it is known
        self._expected: int | None = None  # the number that the next record must have, where it is known
        self._found: list[Finding] = []  # in this segment

    def check(self, log: LogPass, segment: Segment) -> None:
        self._found = []
        begun = False
        for entry in log.of(segment):
            if not begun:
                begun = self._begin(segment)
            self._record(entry)
        name = segment.path.name
        if segment.path in log.removed:
            self.result.notes.append(Finding(name, 0, "it was removed while the log was being read"))
            self._previous = self._expected = None
            return
        if not begun and segment.header is not None:
            self._begin(segment)
        for damage in segment.damages:
            self._damage(segment, damage)
        if suspect_mark(segment.path).exists():
            self._note(name, "the system could not sync it: what can be read now may not be on the disk")
        self.result.findings.extend(sorted(self._found, key=lambda finding: finding.offset))
        self.result.segments += 1
        self._previous, self._first = segment.sha256, False

    def _begin(self, segment: Segment) -> bool:
        header, name = segment.header, segment.path.name
        if header is None:
            return False
        if self._first:
            self._oldest(header, name)
        elif self._previous is not None and header.previous_sha256 != self._previous:
            self._find(name, 0, "the chain is broken: the segment before it was changed, replaced or removed")
        if first_sequence(segment.path) != header.first_sequence:
            self._find(name, 0, f"its header says that it begins with record {header.first_sequence}, its name differs")
        self._follow(name, 0, header.first_sequence)
        self._expected = header.first_sequence
        return True

    def _oldest(self, header: pb.SegmentHeader, name: str) -> None:
        if header.previous_sha256:
            self._note(name, "the segments before it were removed")
        elif header.first_sequence:
            self._find(name, 0, f"it is the first segment of its log, but begins with record {header.first_sequence}")

    def _record(self, entry: Entry) -> None:
        self.result.records += 1
        self._follow(entry.segment.name, entry.offset, entry.sequence)
        self._expected = max(entry.sequence + 1, self._expected or 0)

    def _follow(self, name: str, offset: int, sequence: int) -> None:
        expected = self._expected
        if expected is None or sequence == expected:
            return
        if sequence < expected:
            self._find(name, offset, f"the record numbers go back to {sequence}, where {expected} was expected")
        else:
            missing = (
                f"record {expected} is" if sequence == expected + 1 else f"records {expected} to {sequence - 1} are"
            )
            self._find(name, offset, f"{missing} missing")

    def _damage(self, segment: Segment, damage: Damage) -> None:
        name, text = segment.path.name, f"{damage.count} bytes: {damage.reason}"
        if damage.torn:
            self.result.torn_tails.append(Finding(name, damage.offset, text))
        else:
            self._find(name, damage.offset, text)

    def _find(self, name: str, offset: int, text: str) -> None:
        self._found.append(Finding(name, offset, text))

    def _note(self, name: str, text: str) -> None:
        self.result.notes.append(Finding(name, 0, text))
