"""Selects calls of a log, and reads the log once from front to back, noting what it had to skip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from bridge.errors import BridgeError
from bridge.prediction_log.reader import Damage, Entry, Segment, segments_of

__all__ = ["LogPass", "Selection", "SelectionNotUnderstood", "selected"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROGRESS_BYTES = 1 << 18


class SelectionNotUnderstood(BridgeError):
    """A time to select by can't be read, or the times exclude every call."""

    reason = "SELECTION_NOT_UNDERSTOOD"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls of a log to read; all of them by default.

    Attributes:
        since: only calls received at this time or later; None for no such limit.
        until: only calls received before this time; None for no such limit.
        model: only calls of this "NAME" or "NAME/VERSION"; empty for every model, and calls that reached none.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str = ""

    @classmethod
    def parse(cls, since: str | None = None, until: str | None = None, model: str | None = None) -> Self:
        """Makes a selection from ISO 8601 dates or times: in UTC if they name no zone, midnight if they name no time.

        Raises:
            SelectionNotUnderstood: a text is not such a time, or `since` is not before `until`.
        """
        first, end = _time("since", since), _time("until", until)
        if first is not None and end is not None and first >= end:
            raise SelectionNotUnderstood(
                f"no call can be since {since} and until {until}: --since must be earlier than --until"
            )
        return cls(first, end, model or "")


def selected(entries: Iterable[Entry], selection: Selection) -> Iterator[Entry]:
    """Yields the entries whose calls are selected, in their order."""
    since, until = _nanoseconds(selection.since), _nanoseconds(selection.until)
    for entry in entries:
        received = entry.record.received_ns
        if (since is not None and received < since) or (until is not None and received >= until):
            continue
        named = (entry.record.model, f"{entry.record.model}/{entry.record.version}")
        if not selection.model or selection.model in named:
            yield entry


class LogPass:
    """Reads the segments that a log has now, once and in constant memory; a gateway may write to the log meanwhile.

    Args:
        folder: the folder of the log.
        on_bytes: called now and then with the number of bytes passed since the last time; the numbers add up to `size`.

    Attributes:
        segments: the segments, oldest first.
        size: the size of all segments when this object was made, in bytes.
        removed: the paths of segments that were removed before they could be read, as retention does.

    Raises:
        LogNotReadable: there is no log in the folder.
    """

    def __init__(self, folder: Path, on_bytes: Callable[[int], None] = lambda _: None) -> None:
        self.segments = segments_of(folder)
        self.removed: list[Path] = []
        self._sizes = {segment.path: _size(segment.path) for segment in self.segments}
        self._on_bytes = on_bytes
        self.size = sum(self._sizes.values())

    @property
    def damages(self) -> list[Damage]:
        """The damaged parts of the log that were skipped so far."""
        return [damage for segment in self.segments for damage in segment.damages]

    def entries(self) -> Iterator[Entry]:
        """Yields every undamaged record, oldest first; can be used once.

        Raises:
            OSError: a segment can't be read.
        """
        for segment in self.segments:
            yield from self.of(segment)

    def of(self, segment: Segment) -> Iterator[Entry]:
        """Yields the undamaged records of one of the segments; can be used once for each.

        Raises:
            OSError: the segment can't be read.
        """
        told, size = 0, self._sizes[segment.path]
        try:
            for entry in segment.entries():
                if entry.offset - told >= _PROGRESS_BYTES and entry.offset < size:
                    self._on_bytes(entry.offset - told)
                    told = entry.offset
                yield entry
        except FileNotFoundError:
            self.removed.append(segment.path)
        self._on_bytes(size - told)


def _time(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise SelectionNotUnderstood(
            f"--{name} {text}: not an ISO 8601 date or time, such as 2026-11-24 or 2026-11-24T09:30"
        ) from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _nanoseconds(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
