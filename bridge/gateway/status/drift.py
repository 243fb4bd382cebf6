"""The drift of the last day as the status page shows it: how far each feature and score of a version has moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

__all__ = ["Drift", "DriftSource", "MovedVersion", "Shifted", "has_moved_much", "reading_of"]

_SOME, _MUCH = 0.1, 0.25  # the usual reading of a population stability index


class Shifted(Protocol):
    """How far one feature or score has moved."""

    @property
    def name(self) -> str:
        """The name of the feature or output."""

    @property
    def kind(self) -> str:
        """Either "feature" or "score"."""

    @property
    def psi(self) -> float | None:
        """The population stability index; None if there is no figure."""

    @property
    def chance(self) -> float | None:
        """The figure that as many rows of one population would have by chance alone; None if there is no figure."""


class MovedVersion(Protocol):
    """How far the features and scores of one version have moved."""

    @property
    def model(self) -> str:
        """The name of the model."""

    @property
    def version(self) -> int:
        """The number of the version."""

    @property
    def shifts(self) -> Sequence[Shifted]:
        """Its features and scores."""

    @property
    def rows(self) -> int:
        """The rows of the answered calls that were read."""

    @property
    def whole(self) -> bool:
        """Whether all calls of the day were read."""

    @property
    def why(self) -> str:
        """Why nothing could be compared, or which part of the day was read; empty if all is well."""


class DriftSource(Protocol):
    """Computes drift in the background."""

    @property
    def latest(self) -> Sequence[MovedVersion]:
        """The last result."""

    @property
    def at(self) -> datetime | None:
        """When it was computed, in UTC; None if nothing was computed yet."""

    @property
    def failure(self) -> str:
        """Why the last attempt failed; empty if it did not."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What was last computed.

    Attributes:
        versions: the versions that were compared.
        at: when, in UTC; None if nothing was computed yet.
        failure: why the last attempt failed; empty if it did not.
    """

    versions: tuple[MovedVersion, ...]
    at: datetime | None
    failure: str

    @classmethod
    def of(cls, source: DriftSource | None) -> "Drift | None":
        """Returns what a source has computed last; None if there is none."""
        return None if source is None else cls(tuple(source.latest), source.at, source.failure)


def has_moved_much(shift: Shifted) -> bool:
    """Whether something has moved much, and by more than what few rows would show by chance."""
    return shift.psi is not None and reading_of(shift.psi) == "much" and shift.psi > 2 * (shift.chance or 0.0)


def reading_of(psi: float) -> str:
    """Returns the usual reading of a population stability index: "little", "some" or "much"."""
    return "little" if psi < _SOME else "some" if psi <= _MUCH else "much"
