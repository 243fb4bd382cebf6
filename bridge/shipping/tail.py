"""Follows a log that is being written to: what has come since the last look, from a place that can be kept."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BridgeError
from bridge.prediction_log.folder import first_sequence, segment_paths
from bridge.prediction_log.positions import Position
from bridge.prediction_log.reader import Entry, Segment

__all__ = ["LogReplaced", "LogTail", "Place"]

_State = tuple[int, int]


class LogReplaced(BridgeError):
    """The folder holds another log than the one that was followed before."""

    reason = "LOG_REPLACED"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a log, behind a record or at the beginning.

    Attributes:
        segment: the file name of the segment; empty at the beginning of the log.
        segment_id: the id of the segment; empty as long as none of its records was read.
        offset: the place in the segment, in bytes.
        sequence: the number of the next record.
    """

    segment: str = ""
    segment_id: bytes = b""
    offset: int = 0
    sequence: int = 0

    @classmethod
    def of(cls, position: Position) -> "Place":
        """Returns the place that a position says."""
        return cls(position.segment, bytes.fromhex(position.segment_id), position.offset, position.sequence)


class LogTail:
    """Reads a log from a place on, and goes on from there whenever it has grown.

    Bytes at the end of the newest segment that are no record yet are left for the next time: a gateway may be writing
    them. Once a newer segment is there they are told like any damage. Only files with the names of segments are read.

    Args:
        folder: the folder of the log.
        place: where to begin.
        tell: called with a sentence on each part of the log that had to be skipped.

    Attributes:
        place: the place behind the last record that was yielded.
        skipped: how many parts of the log were skipped so far, unfinished last records of killed gateways apart.
        missing: how many records are missing between segments, because those were removed.

    Raises:
        LogNotReadable: there is no log in the folder.
        LogReplaced: the log in the folder is not the one of the place.
        OSError: the folder or a segment can't be read.
    """

    def __init__(self, folder: Path, place: Place, tell: Callable[[str], None] = lambda _: None) -> None:
        self.place = place
        self.skipped = self.missing = 0
        self._folder = folder
        self._tell = tell
        self._read_to: tuple[Path, _State] | None = None  # the newest segment as it was when it was read to its end
        self._doubted: Place | None = None  # where the newest segment looked damaged, and was then opened again
        self._require_same_log()

    def entries(self, until: int | None = None) -> Iterator[Entry]:
        """Yields the records that the log has behind the place; `place` is moved on before each.

        Args:
            until: the number of the first record that is left for the next time; None for none.

        Raises:
            LogNotReadable, LogReplaced: the log has gone, or another one has taken its place.
            OSError: a segment can't be read.
        """
        while True:
            paths = self._paths()
            path = self._current(paths)
            if path is None:
                return
            newest = path == paths[-1]
            state = _state(path)
            if newest and self._read_to == (path, state):
                return
            try:
                doubted = self._doubted
                if (yield from self._read(path, until, newest=newest)):
                    return
                if self._doubted != doubted:
                    continue
            except FileNotFoundError:
                continue  # removed since the folder was listed
            if newest:
                self._read_to = (path, state)
                return
            following = paths[paths.index(path) + 1]
            self.place = Place(following.name, b"", 0, self.place.sequence)

    def _read(self, path: Path, until: int | None, *, newest: bool) -> Generator[Entry, None, bool]:
        """Yields the records of a segment behind the place; returns whether one was left because of `until`."""
        segment, place = Segment(path), self.place
        if place.segment_id:
            found = segment.entries_behind(place.segment_id, place.offset, place.sequence)
        else:
            found = segment.entries()
            self._count_missing(path)
        told = 0
        for entry in found:
            if until is not None and entry.sequence >= until:
                return True
            if newest and entry.offset > self.place.offset and self.place.segment_id and self._doubted != self.place:
                # A write that failed is cut off and written over: what was read in between may only look damaged.
                self._doubted = self.place
                return False
            told = self._skip(segment, told)
            self.place = Place(path.name, entry.header.segment_id, entry.end, entry.sequence + 1)
            yield entry
        if not newest:  # the end of the newest one may be the record that a gateway is writing now
            self._skip(segment, told)
        return False

    def _skip(self, segment: Segment, told: int) -> int:
        """Tells of the damaged parts of a segment behind the first `told` ones, and returns how many there are."""
        for damage in segment.damages[told:]:
            self.skipped += not damage.torn
            self._tell(f"skipped {damage.count} bytes: {segment.path.name} at {damage.offset}: {damage.reason}")
        return len(segment.damages)

    def _count_missing(self, path: Path) -> None:
        first = first_sequence(path) or 0
        expected = self.place.sequence
        if first > expected:
            self.missing += first - expected
            self._tell(f"records {expected} to {first - 1} are missing before {path.name}: removed or damaged")
            self.place = Place(path.name, b"", 0, first)

    def _current(self, paths: list[Path]) -> Path | None:
        """Returns the segment to read next: that of the place, or the first behind it if that was removed."""
        name = self.place.segment
        here = [path for path in paths if path.name == name]
        if here:
            return here[0]
        behind = [path for path in paths if (first_sequence(path) or 0) >= self.place.sequence]
        if not behind and paths and name:
            raise LogReplaced(f"{self._folder} has lost the segments that were read last: {_REMEDY}")
        if not behind:
            return None
        # What was removed before the first look is not missed: nobody was to ship it yet.
        sequence = self.place.sequence if name else first_sequence(behind[0]) or 0
        self.place = Place(behind[0].name, b"", 0, sequence)
        return behind[0]

    def _paths(self) -> list[Path]:
        return [path for path in segment_paths(self._folder) if first_sequence(path) is not None]

    def _require_same_log(self) -> None:
        place = self.place
        path = self._folder / place.segment
        if path not in self._paths() or not place.segment_id:
            return
        first = next(Segment(path).entries(), None)
        if (first is not None and first.header.segment_id != place.segment_id) or _state(path)[0] < place.offset:
            raise LogReplaced(f"{path} is not the segment that was read last, or was cut: {_REMEDY}")


_REMEDY = "this is another log; remove the position file beside the segments to read it from its beginning"


def _state(path: Path) -> _State:
    """Returns the size and the time of the last change of a file; zeros if it was removed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
