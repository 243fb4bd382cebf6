"""One input of a model, as its author or its file declares it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridge.columns import Type

__all__ = ["Feature", "UnknownLevelRule", "by_name"]

# What a value that is none of the levels does: refuses the call, is missing, or costs its row the default score.
UnknownLevelRule = Literal["refuse", "missing", "default"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of a model.

    Attributes:
        name: exact, including case and blanks.
        type: double, int, int64, bool, string or factor; None if nobody declared it and the caller's own type is
            passed on.
        levels: of a factor, or of whole numbers that are categories, in the model's order.
        required: the model has no default for it.
        ordered: of a factor, its levels have a rank: R compares and contrasts those.
        by_codes: a category that callers send as its code, because its author says so.
        unknown_level: what a value that is none of the levels does.
    """

    name: str
    type: Type | None = None
    levels: tuple[str, ...] = ()
    required: bool = True
    ordered: bool = False
    by_codes: bool = False
    unknown_level: UnknownLevelRule = "refuse"


def by_name(features: Sequence[Feature]) -> dict[str, Feature]:
    """Features by their names."""
    return {feature.name: feature for feature in features}
