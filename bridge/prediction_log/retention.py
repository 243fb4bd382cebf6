"""How a log is kept: how surely, in segments of what size, and for how long."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.prediction_log.folder import LogNotReadable, first_sequence, segment_paths, suspect_mark

__all__ = ["LogSettings", "remove_old"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How a log is kept.

    Attributes:
        folder: of the log; one gateway each.
        fsync: "always" answers after the record is on the disk, "interval" syncs every `interval_s`, "never" leaves it
            to the system. A gateway that is killed loses nothing either way; a power cut may.
        interval_s: seconds between syncs.
        on_failure: "serve" answers calls that could not be recorded, "refuse" does not.
        segment_bytes: a new segment is begun at this size.
        segment_age_s: and at this age, seconds.
        keep_s: older segments are removed, seconds; None keeps all.
        keep_bytes: the oldest are removed above this size of all of them; None keeps all.
    """

    folder: Path
    fsync: Literal["interval", "always", "never"] = "interval"
    interval_s: float = 0.05
    on_failure: Literal["serve", "refuse"] = "serve"
    segment_bytes: int = 128 << 20
    segment_age_s: float = 3600.0
    keep_s: float | None = None
    keep_bytes: int | None = None


def remove_old(settings: LogSettings, current: Path) -> None:
    """Drops the segments that need not be kept, oldest first, never the current one or what is no segment of ours.

    What can't be removed stays: the records that are being written don't suffer for it.
    """
    if settings.keep_s is None and settings.keep_bytes is None:
        return
    try:
        _remove_old(settings, current)
    except (OSError, LogNotReadable) as error:
        _log.warning("old segments of the log were not removed: %s", error)


def _remove_old(settings: LogSettings, current: Path) -> None:
    ours = [path for path in segment_paths(settings.folder) if first_sequence(path) is not None]
    found = [(path, path.stat()) for path in ours]
    total = sum(status.st_size for _, status in found)
    for path, status in found:
        old = settings.keep_s is not None and time.time() - status.st_mtime > settings.keep_s
        large = settings.keep_bytes is not None and total > settings.keep_bytes
        if path == current or not (old or large):
            return
        path.unlink()
        suspect_mark(path).unlink(missing_ok=True)
        total -= status.st_size
        _log.info("%s was removed, as the log's retention says", path.name)
