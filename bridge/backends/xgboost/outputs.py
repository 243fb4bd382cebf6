"""Makes the columns that an xgboost model answers with: its scores, and its additional outputs."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bridge.backends.xgboost.engines import Prediction
from bridge.backends.xgboost.facts import ModelFacts
from bridge.bundles.settings import ModelSettings
from bridge.calls import Output
from bridge.columns import Array, Column, Type
from bridge.errors import BundleError

__all__ = ["Outputs"]

_BOTH_CLASSES = 2
_PROBABILITIES = ("binary:logistic", "reg:logistic")


class Outputs:
    """The names and types of one model's outputs; turns its booster's predictions into columns.

    Args:
        facts: the facts of the booster.
        settings: the model's settings; `[xgboost]` names the scores and the additional outputs.
        names: the names of the booster's features.

    Attributes:
        described: all outputs, the scores first, then the additional outputs.

    Raises:
        BundleError: the number of names does not fit the model, or two outputs would have the same name.
    """

    def __init__(self, facts: ModelFacts, settings: ModelSettings, names: tuple[str, ...]) -> None:
        self._chosen = settings.xgboost
        self._facts = facts
        self._features = np.array([*names, ""], object)
        self._is_pair = False
        self._own = self._own_names()
        additional = [Output(name, Type.FLOAT, additional=True) for name in self._additional()]
        reasons = (f"reason_{place}" for place in range(1, self._chosen.top_reasons + 1))
        additional += [Output(name, Type.STRING, additional=True) for name in reasons]
        self.described = (*(Output(name, Type.FLOAT) for name in self._own), *additional)
        names_given = Counter(output.name for output in self.described)
        if twice := next((name for name, count in names_given.items() if count > 1), None):
            raise BundleError(
                f"model.toml: two outputs would be named '{twice}': choose others by xgboost.output_names"
            )
        if self._chosen.top_reasons and facts.outputs > 1:
            raise BundleError(
                f"model.toml: xgboost.top_reasons explains one score, the model has {facts.outputs}: take contributions"
            )

    def columns(self, prediction: Prediction) -> tuple[Column, ...]:
        """Returns one column for each output; a reason is missing where fewer features contributed to the score."""
        if len(self.described) == 1:  # the usual case: what follows would cost more than scoring a row
            return (Column(self.described[0].name, Type.FLOAT, prediction.scores),)
        arrays, shares = [*self._scores(prediction.scores)], prediction.contributions
        if shares is not None and self._chosen.contributions:
            arrays += _by_column(shares.reshape(len(shares), -1))
        if prediction.leaves is not None:
            arrays += _by_column(prediction.leaves)
        reasons = () if shares is None else self._reasons(shares[:, 0, :-1])
        numbers = self.described[: len(arrays)]
        return (*(Column(one.name, one.type, values) for one, values in zip(numbers, arrays, strict=True)), *reasons)

    def _own_names(self) -> list[str]:
        count, given = self._facts.outputs, self._chosen.output_names
        if not given:
            return ["score"] if count == 1 else [f"score_{index}" for index in range(count)]
        if len(given) == count:
            return given
        is_probability = self._facts.objective in _PROBABILITIES and not self._chosen.output_margin
        if len(given) == _BOTH_CLASSES and count == 1 and is_probability:
            self._is_pair = True
            return given
        raise BundleError(f"model.toml: xgboost.output_names has {len(given)} names, the model gives {count} scores")

    def _additional(self) -> Iterator[str]:
        """Yields the names of contributions and leaves, in the order of `columns`."""
        several = [f".{name}" for name in self._own] if self._facts.outputs > 1 else [""]
        if self._chosen.contributions:
            for output in several:
                yield from (f"contribution{output}.{name}" for name in self._features[:-1])
                yield f"contribution_bias{output}"
        if self._chosen.leaves:
            yield from (f"leaf_{tree}" for tree in range(self._facts.leaves))

    def _scores(self, raw: Array) -> Iterator[Array]:
        if self._is_pair:
            # As in XGBClassifier.predict_proba: the first class gets 1 minus the second's probability, in float32.
            yield np.float32(1.0) - raw
            yield raw
        elif len(self._own) == 1:
            yield raw
        else:
            yield from _by_column(raw.reshape(-1, len(self._own)))

    def _reasons(self, contributions: Array) -> Iterator[Column]:
        """Yields columns of feature names, the largest contribution first; of equal ones the first feature wins."""
        size = np.abs(contributions)
        places = min(self._chosen.top_reasons, size.shape[1])
        order = np.argsort(-size, axis=1, kind="stable")[:, :places]
        for place in range(self._chosen.top_reasons):
            name = f"reason_{place + 1}"
            if place >= places:
                nothing = np.full(len(size), "", object)
                yield Column(name, Type.STRING, nothing, np.ones(len(size), np.bool_))
                continue
            absent = np.take_along_axis(size, order[:, place : place + 1], axis=1)[:, 0] == 0
            named = self._features[np.where(absent, -1, order[:, place])]
            yield Column(name, Type.STRING, named, absent if absent.any() else None)


def _by_column(values: Array) -> list[Array]:
    """Returns the columns of an array, each contiguous in memory."""
    return list(np.ascontiguousarray(values.T))
