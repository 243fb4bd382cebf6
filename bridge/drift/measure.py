"""Measures drift: of the selected calls of a log, and of the newest ones for the gateway's own watch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.drift.recent import RecentRecords
from bridge.drift.shift import VersionShifts
from bridge.drift.versions import References, VersionTallies
from bridge.files import size_text
from bridge.prediction_log.reader import Damage
from bridge.prediction_log.selection import LogPass, Selection, selected

__all__ = ["Measured", "measure_log", "measure_recent"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a log.

    Attributes:
        versions: the shifts of each version, sorted by model and version.
        left_out: the number of calls of versions beyond the first 1,000, which don't count.
        damages: the damaged parts of the log that were skipped.
    """

    versions: tuple[VersionShifts, ...]
    left_out: int = 0
    damages: list[Damage] = field(default_factory=list)


def measure_log(
    folder: Path, selection: Selection, references: References, on_bytes: Callable[[int], None] = lambda _: None
) -> Measured:
    """Measures the selected calls of a log, each version against its reference.

    Args:
        folder: the folder of the log.
        selection: which calls count.
        references: where the reference rows of each version come from.
        on_bytes: called now and then with the number of bytes of the log that were read since the last time.

    Raises:
        LogNotReadable: there is no log in the folder.
        OSError: the log can't be read.
    """
    log, tallies = LogPass(folder, on_bytes), VersionTallies(references)
    for entry in selected(log.entries(), selection):
        tallies.add(entry.record)
    whole = not log.removed and all(damage.torn for damage in log.damages)
    why = "" if whole else "parts of the log are damaged or were removed meanwhile"
    versions = tallies.shifts(selection.since, selection.until, whole=whole, why=why)
    return Measured(versions, tallies.left_out, log.damages)


def measure_recent(
    folder: Path,
    until: datetime,
    references: References,
    *,
    hours: float,
    most_bytes: int,
    expected: Iterable[tuple[str, int, str]] = (),
) -> tuple[VersionShifts, ...]:
    """Measures the newest calls of a log, as far as they are in its newest bytes.

    Args:
        folder: the folder of the log.
        until: the present time, in UTC.
        references: where the reference rows come from of the versions that count.
        hours: how far back calls count.
        most_bytes: the most bytes of the log that are read, the newest ones.
        expected: the model, version and digest of versions that are told of even if they had no calls.

    Raises:
        LogNotReadable: there is no log in the folder.
        OSError: the log can't be read.
    """
    since = until - timedelta(hours=hours)
    since_ns = (since - _EPOCH) // timedelta(microseconds=1) * 1000
    recent, tallies = RecentRecords(folder, since_ns, most_bytes), VersionTallies(references)
    for key in expected:
        tallies.expect(*key)
    for record in recent.records():
        tallies.add(record)
    return tallies.shifts(since, until, whole=recent.whole, why=_part(recent, most_bytes))


def _part(recent: RecentRecords, most_bytes: int) -> str:
    notes = ["a part of the log is damaged or was removed meanwhile"] if recent.damaged else []
    if recent.cut:
        first = _EPOCH + timedelta(microseconds=recent.first_ns // 1000)
        calls = f"only calls since {first:%Y-%m-%dT%H:%MZ} were read, which are" if recent.first_ns else "no call is"
        notes.append(f"{calls} in the newest {size_text(most_bytes)} of the log")
    return "; ".join(notes)
