"""How long a log is kept: removes segments that are too old, and the oldest ones of a log that is too large."""

import time
from pathlib import Path

from bridge.config import LogSettings
from bridge.events import RETENTION_FAILED, SEGMENT_REMOVED
from bridge.own_log import OwnLog
from bridge.prediction_log.folder import LogNotReadable, first_sequence, segment_paths, suspect_mark

__all__ = ["remove_old"]

_log = OwnLog(__name__)


def remove_old(settings: LogSettings, current: Path) -> None:
    """Removes the segments that the settings need not keep, oldest first; never the current one or other files.

    A segment that can't be removed is logged as a warning, and writing goes on.

    Args:
        settings: the settings of the log, with `log_keep_s` and `log_keep_bytes`.
        current: the path of the segment that is being written, in the log's folder.
    """
    if settings.log_keep_s is None and settings.log_keep_bytes is None:
        return
    try:
        _remove_old(settings, current)
    except (OSError, LogNotReadable) as error:
        _log.say(RETENTION_FAILED, error=error)


def _remove_old(settings: LogSettings, current: Path) -> None:
    ours = [path for path in segment_paths(current.parent) if first_sequence(path) is not None]
    found = [(path, path.stat()) for path in ours]
    total = sum(status.st_size for _, status in found)
    for path, status in found:
        old = settings.log_keep_s is not None and time.time() - status.st_mtime > settings.log_keep_s
        large = settings.log_keep_bytes is not None and total > settings.log_keep_bytes
        if path == current or not (old or large):
            return
        path.unlink()
        suspect_mark(path).unlink(missing_ok=True)
        total -= status.st_size
        _log.say(SEGMENT_REMOVED, segment=path.name)
