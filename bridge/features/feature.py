"""The features of a model, as its author or its file declares them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridge.columns import Type

__all__ = ["Feature", "UnknownLevelRule", "by_name"]

# What an unknown level does: "refuse" refuses the call, "missing" makes the value missing, "default" gives the row its
# default score.
UnknownLevelRule = Literal["refuse", "missing", "default"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of a model.

    Attributes:
        name: its exact name, including case and blanks.
        type: double, int, int64, bool, string or factor; None if no type is declared: then the column keeps the type
            that the caller sends.
        levels: the levels of a factor, or of whole numbers that are categories, in the model's order; empty for others.
        required: whether callers must send it: the model has no default for it.
        ordered: whether the levels of a factor have a rank, which R uses in comparisons and contrasts.
        by_codes: whether callers send the codes of its levels instead of the levels, as the author declared.
        unknown_level: the rule for a value that is none of the levels.
    """

    name: str
    type: Type | None = None
    levels: tuple[str, ...] = ()
    required: bool = True
    ordered: bool = False
    by_codes: bool = False
    unknown_level: UnknownLevelRule = "refuse"


def by_name(features: Sequence[Feature]) -> dict[str, Feature]:
    """Returns a dict of the features by their names."""
    return {feature.name: feature for feature in features}
