"""Which calls of a log are meant, and one pass over them that says what it had to skip."""

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
    """A time or a model that was asked for can't be read."""

    reason = "SELECTION_NOT_UNDERSTOOD"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls are meant; all of them by default.

    Attributes:
        since: calls received then or later; None is from the first.
        until: calls received earlier than that; None is to the last.
        model: "NAME" or "NAME/VERSION"; empty is every model, and the calls that reached none.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str = ""

    @classmethod
    def parse(cls, since: str | None = None, until: str | None = None, model: str | None = None) -> Self:
        """Reads ISO 8601 dates or times; UTC if they name no zone, midnight if they name no time.

        Raises:
            SelectionNotUnderstood: one of them is no such time, or they select nothing at all.
        """
        first, end = _time("since", since), _time("until", until)
        if first is not None and end is not None and first >= end:
            raise SelectionNotUnderstood(
                f"no call can be since {since} and until {until}: the first is not before the second"
            )
        return cls(first, end, model or "")


def selected(entries: Iterable[Entry], selection: Selection) -> Iterator[Entry]:
    """Those of the entries that are meant, in their order."""
    since, until = _nanoseconds(selection.since), _nanoseconds(selection.until)
    for entry in entries:
        received = entry.record.received_ns
        if (since is not None and received < since) or (until is not None and received >= until):
            continue
        named = (entry.record.model, f"{entry.record.model}/{entry.record.version}")
        if not selection.model or selection.model in named:
            yield entry


class LogPass:
    """One pass over the segments that a log has now, in constant memory; a log may be written to meanwhile.

    Args:
        folder: of the log.
        on_bytes: told now and then how many more bytes were passed; they add up to `size`.

    Attributes:
        segments: the files, oldest first.
        size: of them all when the pass was made, bytes.
        removed: segments that were gone when their turn came, as retention makes them.

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
        """What was skipped so far."""
        return [damage for segment in self.segments for damage in segment.damages]

    def entries(self) -> Iterator[Entry]:
        """Every undamaged record, oldest first; only once.

        Raises:
            OSError: a segment can't be read.
        """
        for segment in self.segments:
            yield from self.of(segment)

    def of(self, segment: Segment) -> Iterator[Entry]:
        """The undamaged records of one of the segments; only once.

        Raises:
            OSError: it can't be read.
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
        raise SelectionNotUnderstood(f"--{name} {text}: not an ISO 8601 date or time") from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _nanoseconds(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
