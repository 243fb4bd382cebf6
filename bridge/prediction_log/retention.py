"""How long a log is kept: segments that are too old, or too much together, are removed."""

import logging
import time
from pathlib import Path

from bridge.config import LogSettings
from bridge.prediction_log.folder import LogNotReadable, first_sequence, segment_paths, suspect_mark

__all__ = ["remove_old"]

_log = logging.getLogger(__name__)


def remove_old(settings: LogSettings, current: Path) -> None:
    """Removes the segments that need not be kept, oldest first, never the current one or what is no segment of ours.

    What can't be removed stays: the records that are being written don't suffer for it.

    Args:
        settings: of the log.
        current: the segment that is being written, in the log's folder.
    """
    if settings.log_keep_s is None and settings.log_keep_bytes is None:
        return
    try:
        _remove_old(settings, current)
    except (OSError, LogNotReadable) as error:
        _log.warning("old segments of the log were not removed: %s", error)


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
        _log.info("%s was removed, as the log's retention says", path.name)
