"""What model.toml asks of a booster, and what its file says of itself: passed to a child process and back."""

from dataclasses import dataclass, field
from typing import Self

from bridge.bundles.settings import ModelSettings

__all__ = ["CATEGORICAL", "Asked", "Category", "ModelFacts"]

CATEGORICAL = "c"
Category = str | int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the author asks of the booster.

    Attributes:
        trees: "all" or "best" rounds; None where it must not matter.
        missing: the number that stands for missing; None leaves it to the file.
        margin: margins instead of scores.
        base_margin: each row brings the margin that it starts from.
        contributions: the features' shares of the margin, for themselves or for the reasons made of them.
        leaves: the leaf of each tree.
        lignum: it may take the booster's place.
        newer_file: the file may be of a newer xgboost than the one that is installed.
    """

    trees: str | None = None
    missing: float | None = None
    margin: bool = False
    base_margin: bool = False
    contributions: bool = False
    leaves: bool = False
    lignum: bool = True
    newer_file: bool = False

    @classmethod
    def by(cls, settings: ModelSettings, *, newer_file: bool) -> Self:
        """What these settings ask."""
        chosen = settings.xgboost
        return cls(
            trees=chosen.trees,
            missing=chosen.missing,
            margin=chosen.output_margin,
            base_margin=chosen.base_margin is not None,
            contributions=chosen.contributions or chosen.top_reasons > 0,
            leaves=chosen.leaves,
            lignum=settings.engine.name != "xgboost",
            newer_file=newer_file,
        )


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of a booster.

    Attributes:
        names: of the features; empty if it was trained without.
        types: xgboost's own, one per feature, "c" for a category; empty if it was trained without.
        categories: by position of a feature: the texts or whole numbers that its codes count.
        cut_categories: the same as bytes in Latin-1, of texts that xgboost 3.1 to 3.3 stored cut.
        codes: by position of a category: how many codes its trees and its categories know.
        features: how many there are.
        outputs: how many scores it gives for one row.
        leaves: how many trees say a leaf for one row; 0 if nobody asked.
        best_iteration: where early stopping found it best; None if it was trained without.
        version: of xgboost, as it is installed.
        objective: what it was trained for, by xgboost's name.
        booster: "gbtree", "dart" or "gblinear".
        rounds: how many there are.
        rounds_used: how many predict; 0 for all.
        saved_by: the version of xgboost that saved the file; empty if it does not say.
        newer_file: that version is newer than the one that is installed, which was accepted.
        missing: the number that stands for missing.
        labels: of the classes, as the sklearn wrapper that saved the file had them; empty if there are none.
        in_place: rows are predicted where they are, because that gives what `Booster.predict` does; else through a
            DMatrix of their own.
        way_reason: why they are predicted in this way.
        notes: what else whoever deploys it should read.
        lignum: the version of lignum that was proven to give the same bits; empty if there is none.
        lignum_reason: why there is none.
    """

    names: list[str]
    types: list[str]
    categories: dict[str, list[Category]]
    features: int
    outputs: int
    best_iteration: int | None
    version: str
    objective: str
    cut_categories: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    leaves: int = 0
    booster: str = "gbtree"
    rounds: int = 0
    rounds_used: int = 0
    saved_by: str = ""
    newer_file: bool = False
    missing: float = float("nan")
    labels: list[str] = field(default_factory=list)
    in_place: bool = True
    way_reason: str = ""
    notes: list[str] = field(default_factory=list)
    lignum: str = ""
    lignum_reason: str = ""
