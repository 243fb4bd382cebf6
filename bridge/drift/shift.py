"""How far the features and scores of a version have moved away from its reference rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Kind", "Shift", "VersionShifts"]

Kind = Literal["feature", "score"]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one feature or score has moved.

    Attributes:
        name: the name of the feature or output.
        kind: whether it is a feature or a score.
        psi: the population stability index, 0 where the shares of all bins are equal; None if there is no figure.
        rows: the logged rows that were counted.
        against: the rows of the reference.
        why: why there is no figure, in words; empty if there is one.
        chance: the figure that two samples of these sizes from one population would have on average, by chance alone;
            None if there is no figure.
    """

    name: str
    kind: Kind
    psi: float | None
    rows: int
    against: int
    why: str = ""
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class VersionShifts:
    """How far the features and scores of one version have moved.

    Attributes:
        model: the name of the model.
        version: the number of the version.
        shifts: its features in the order of their first call, then its scores, then what only the reference has.
        rows: the rows of the answered calls that were read.
        default_rows: how many of them were answered with a default score; these count for features only.
        since: when the time that was asked for begins.
        until: when it ends.
        whole: whether all of the log's calls in that time were read.
        why: why nothing could be compared, or which part of the time was read, in words; empty if all is well.
    """

    model: str
    version: int
    shifts: tuple[Shift, ...]
    rows: int
    default_rows: int
    since: datetime
    until: datetime
    whole: bool
    why: str = ""
