"""How long a log is kept: removes segments that are too old, and the oldest ones of a log that is too large."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bridge.config import LogSettings
from bridge.events import RETENTION_FAILED, SEGMENT_KEPT_UNSHIPPED, SEGMENT_REMOVED, SEGMENT_REMOVED_UNSHIPPED
from bridge.own_log import OwnLog
from bridge.prediction_log.folder import LogNotReadable, first_sequence, segment_paths, suspect_mark
from bridge.prediction_log.positions import positions_in

__all__ = ["remove_old"]

_log = OwnLog(__name__)


@dataclass(frozen=True, slots=True)
class _File:
    """A segment, and what decides on its end; `next_first` is the number of the first record behind it."""

    path: Path
    size: int
    age_s: float
    next_first: int


def remove_old(settings: LogSettings, current: Path) -> int:
    """Removes the segments that the settings need not keep, oldest first; never the current one or other files.

    A segment that is not shipped yet, as a position beside the log says, is kept beyond `log_keep_s` and
    `log_keep_bytes` as long as the log has at most `log_keep_unshipped_bytes`, which is none by default. Its removal is
    logged as a warning. So is a segment that can't be removed, and writing goes on.

    Args:
        settings: the settings of the log.
        current: the path of the segment that is being written, in the log's folder.

    Returns:
        How many segments were removed before they were shipped.
    """
    if settings.log_keep_s is None and settings.log_keep_bytes is None:
        return 0
    lost = 0
    try:
        files = _files(current)
        total = sum(one.size for one in files) + current.stat().st_size
        shipped = _shipped(current.parent)
        for one in files:
            if not _is_due(settings, one, total) or _is_held(settings, one, total, shipped):
                break
            one.path.unlink()
            suspect_mark(one.path).unlink(missing_ok=True)
            total -= one.size
            lost += _tell(one, shipped)
    except (OSError, LogNotReadable) as error:
        _log.say(RETENTION_FAILED, error=error)
    return lost


def _files(current: Path) -> list[_File]:
    """Returns the segments before the current one, oldest first."""
    ours = [(path, first) for path in segment_paths(current.parent) if (first := first_sequence(path)) is not None]
    found = []
    for (path, _), (_, next_first) in pairwise(ours):
        if path == current:
            break
        status = path.stat()
        found.append(_File(path, status.st_size, time.time() - status.st_mtime, next_first))
    return found


def _is_due(settings: LogSettings, one: _File, total: int) -> bool:
    old = settings.log_keep_s is not None and one.age_s > settings.log_keep_s
    return old or (settings.log_keep_bytes is not None and total > settings.log_keep_bytes)


def _shipped(folder: Path) -> Mapping[str, int]:
    """Returns the number of the next record to ship, by the name of the position; 0 if that can't be read."""
    return {path.name: one.sequence if one else 0 for path, one in positions_in(folder).items()}


def _is_held(settings: LogSettings, one: _File, total: int, shipped: Mapping[str, int]) -> bool:
    most = settings.log_keep_unshipped_bytes
    if most is None or total > most or all(next_record >= one.next_first for next_record in shipped.values()):
        return False
    _log.say(SEGMENT_KEPT_UNSHIPPED, segment=one.path.name, bytes=total, most_bytes=most)
    return True


def _tell(one: _File, shipped: Mapping[str, int]) -> bool:
    """Logs that a segment was removed, as a warning if it was not shipped; returns whether it was not."""
    behind = [name for name, next_record in shipped.items() if next_record < one.next_first]
    if not behind:
        _log.say(SEGMENT_REMOVED, segment=one.path.name)
        return False
    _log.say(SEGMENT_REMOVED_UNSHIPPED, segment=one.path.name, path=", ".join(behind), first_kept=one.next_first)
    return True
