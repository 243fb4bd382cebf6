"""Asks a booster by xgboost's public functions for its scores and additional outputs, as named columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge.bundles.settings import ModelSettings
from bridge.columns import Array, Column, Type
from bridge.errors import BundleError

__all__ = ["BoosterOutputs"]

_BOTH_CLASSES = 2
_PROBABILITIES = ("binary:logistic", "reg:logistic")


@dataclass(frozen=True, slots=True)
class BoosterOutputs:
    """Asks one booster for all outputs that its model.toml names.

    Attributes:
        booster: the xgboost.Booster.
        settings: the model's settings; `[xgboost]` says which outputs there are.
        names: the names of the features.
        objective: the objective that the booster was trained for, by xgboost's name.
        rounds: the rounds that predict, as `iteration_range`; (0, 0) means all.
        named: whether the rows carry the feature names, so that xgboost checks them against the booster's.
    """

    booster: Any
    settings: ModelSettings
    names: tuple[str, ...]
    objective: str
    rounds: tuple[int, int]
    named: bool

    def columns(self, matrix: Any) -> list[Column]:
        """Returns all outputs of the rows of a DMatrix, the scores first.

        Raises:
            BundleError: model.toml asks for an output that the booster can't give.
        """
        asked = self.settings.xgboost
        scores = self._asked(matrix, output_margin=asked.output_margin)
        scores = scores.reshape(len(scores), -1)
        count = scores.shape[1]
        names = self._score_names(count)
        if len(names) > count:
            # As in XGBClassifier.predict_proba: the first class gets 1 minus the probability of the second.
            scores = np.column_stack([np.float32(1) - scores[:, 0], scores[:, 0]])
        found = _floats(names, scores)
        if asked.contributions or asked.top_reasons:
            shares = self._asked(matrix, pred_contribs=True)
            shares = shares.reshape(len(shares), -1, len(self.names) + 1)
            if shares.shape[1] != count:
                raise BundleError(
                    f"model.toml: {self.objective} gives {count} score a row, its contributions explain "
                    f"{shares.shape[1]} margins: ask for output_margin = true, or train multi:softprob"
                )
            found += self._contributions(shares, names) if asked.contributions else []
        if asked.leaves:
            leaves = self._asked(matrix, pred_leaf=True).reshape(len(scores), -1)
            found += _floats([f"leaf_{tree}" for tree in range(leaves.shape[1])], leaves.astype(np.float32))
        if asked.top_reasons:
            found += self._reasons(shares)
        return found

    def _asked(self, matrix: Any, **what: bool) -> Array:
        options: dict[str, Any] = {"iteration_range": self.rounds, "validate_features": self.named}
        return np.asarray(self.booster.predict(matrix, **options, **what))

    def _score_names(self, count: int) -> list[str]:
        given = self.settings.xgboost.output_names
        is_probability = self.objective in _PROBABILITIES and not self.settings.xgboost.output_margin
        if len(given) == count or (len(given) == _BOTH_CLASSES and count == 1 and is_probability):
            return given
        if given:
            raise BundleError(
                f"model.toml: xgboost.output_names has {len(given)} names, the model gives {count} scores"
            )
        return ["score"] if count == 1 else [f"score_{at}" for at in range(count)]

    def _contributions(self, shares: Array, names: Sequence[str]) -> list[Column]:
        found = []
        for place in range(shares.shape[1]):
            of = f".{names[place]}" if shares.shape[1] > 1 else ""
            named = [*(f"contribution{of}.{name}" for name in self.names), f"contribution_bias{of}"]
            found += _floats(named, shares[:, place])
        return found

    def _reasons(self, shares: Array) -> Iterator[Column]:
        if shares.shape[1] > 1:
            raise BundleError("model.toml: xgboost.top_reasons explains one score, the model gives several")
        sizes = np.abs(shares[:, 0, :-1]).tolist()
        features = range(len(self.names))
        ranked = [sorted((at for at in features if size[at]), key=lambda at: (-size[at], at)) for size in sizes]
        for place in range(self.settings.xgboost.top_reasons):
            absent = np.array([len(row) <= place for row in ranked], np.bool_)
            texts = np.empty(len(ranked), object)
            texts[:] = ["" if none else self.names[row[place]] for row, none in zip(ranked, absent, strict=True)]
            yield Column(f"reason_{place + 1}", Type.STRING, texts, absent if absent.any() else None)


def _floats(names: Sequence[str], numbers: Array) -> list[Column]:
    pairs = zip(names, numbers.T, strict=True)
    return [Column(name, Type.FLOAT, np.ascontiguousarray(column, np.float32)) for name, column in pairs]
