"""What model.toml asks of a booster, and the facts of its file, as they pass to a child process and back."""

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
        trees: the rounds that predict, "all" or "best"; None if model.toml does not say, which is refused where the two
            differ.
        missing: the number that stands for missing; None leaves it to the file.
        margin: whether it gives margins instead of scores.
        base_margin: whether each row has a base margin.
        contributions: whether contributions are needed, as outputs or for the reasons that are made from them.
        leaves: whether the leaf of each tree is an output.
        lignum: whether lignum may predict instead of the booster.
        newer_file: whether a newer xgboost than the installed one may have saved the file.
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
        """Returns what a model's settings ask of its booster.

        Args:
            settings: the model's settings.
            newer_file: whether the bundle accepts a file of a newer xgboost.
        """
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
    """The facts of a booster and its file.

    Attributes:
        names: the names of the features; empty if the file has none.
        types: xgboost's types of the features, "c" for a category; empty if the file has none.
        categories: the stored levels of categories, texts or whole numbers in the order of their codes, by the position
            of the feature.
        cut_categories: stored levels that xgboost 3.1 to 3.3 cut, as bytes in Latin-1, by the position of the feature.
        codes: the number of codes that the trees and the stored levels know, by the position of a category.
        features: the number of features.
        outputs: the number of scores for one row.
        leaves: the number of trees that give a leaf for one row; 0 if leaves are not asked for.
        best_iteration: the round that early stopping found best, 0-based; None without early stopping.
        version: the version of the installed xgboost.
        objective: the objective that it was trained for, by xgboost's name.
        booster: "gbtree", "dart" or "gblinear".
        rounds: the number of boosting rounds in the file.
        rounds_used: the number of rounds that predict; 0 for all.
        saved_by: the version of xgboost that saved the file; empty if the file does not say.
        newer_file: whether a newer xgboost than the installed one saved the file, which the bundle accepts.
        missing: the number that stands for missing.
        labels: the class labels of the sklearn wrapper that saved the file; empty if there are none.
        in_place: whether rows are predicted in place, because that gives the bits of `Booster.predict`; if not, through
            a DMatrix.
        way_reason: why rows are not predicted in place; empty if they are.
        notes: further sentences for whoever deploys the model.
        lignum: the version of lignum that was proven to give the booster's bits; empty if lignum does not predict.
        lignum_reason: why lignum does not predict; empty if it does.
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
