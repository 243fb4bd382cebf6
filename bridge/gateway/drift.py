"""Computes in the background how far the calls of the last day have moved away from the golden rows."""

from datetime import datetime

from bridge.drift.shift import VersionShifts

__all__ = ["DriftWatch"]


class DriftWatch:
    """Computes the shifts of every version that serves, again and again, in a child process.

    Attributes:
        latest: the shifts of each version with golden rows, as they were computed last; empty before that.
        at: when they were computed; None before the first time.
        failure: why the last computation failed, in words; empty if it did not.
    """

    def __init__(self) -> None:
        self.latest: tuple[VersionShifts, ...] = ()
        self.at: datetime | None = None
        self.failure = ""

    def start(self) -> None:
        """Begins to compute, unless the settings say never or there is no prediction log."""

    async def close(self) -> None:
        """Ends the computation that is under way; idempotent."""
