"""How a log is kept: how surely, in segments of what size, and for how long."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.prediction_log.reader import segments_of

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


def remove_old(settings: LogSettings) -> None:
    """Drops the segments that need not be kept, oldest first, never the last one."""
    if settings.keep_s is None and settings.keep_bytes is None:
        return
    found = [(segment.path, segment.path.stat()) for segment in segments_of(settings.folder)]
    total = sum(status.st_size for _, status in found)
    for path, status in found[:-1]:
        old = settings.keep_s is not None and time.time() - status.st_mtime > settings.keep_s
        large = settings.keep_bytes is not None and total > settings.keep_bytes
        if not (old or large):
            return
        path.unlink()
        total -= status.st_size
        _log.info("%s was removed, as the log's retention says", path.name)
