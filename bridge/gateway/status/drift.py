"""The drift of the last day as the status page shows it: how far each feature and score of a version has moved."""

from dataclasses import dataclass
from datetime import datetime

from bridge.drift.psi import reading_of
from bridge.drift.shift import Shift, VersionShifts
from bridge.gateway.drift import DriftWatch

__all__ = ["Drift", "has_moved_much"]


@dataclass(frozen=True, slots=True)
class Drift:
    """What was last measured.

    Attributes:
        versions: the versions that were compared.
        at: when, in UTC; None if nothing was measured yet.
        failure: why the last attempt failed; empty if it did not.
    """

    versions: tuple[VersionShifts, ...]
    at: datetime | None
    failure: str

    @classmethod
    def of(cls, watch: DriftWatch | None) -> "Drift | None":
        """Returns what a watch has measured last; None if there is no watch."""
        return None if watch is None else cls(watch.latest, watch.at, watch.failure)


def has_moved_much(shift: Shift) -> bool:
    """Whether something has moved much, and by more than what few rows would show by chance."""
    return shift.psi is not None and reading_of(shift.psi) == "much" and shift.psi > 2 * (shift.chance or 0.0)
