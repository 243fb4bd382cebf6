"""Scores boosters again by `xgboost.Booster.predict` on a DMatrix, which is another way into xgboost than serving's."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from bridge.bundles.bundle import Bundle
from bridge.bundles.settings import ModelSettings
from bridge.columns import Column
from bridge.errors import BundleError
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.compare import Failure, Rescored
from bridge.reconcile.xgboost_codes import UnfitRows
from bridge.reconcile.xgboost_file import first_line, open_booster_file
from bridge.reconcile.xgboost_frame import frame_of, takes_values
from bridge.reconcile.xgboost_levels import levels_of
from bridge.reconcile.xgboost_outputs import BoosterOutputs
from bridge.reconcile.xgboost_rows import RowReader, Rows

__all__ = ["XgboostPath"]

_FORBIDDEN = "[]<"  # a DMatrix refuses feature names with one of these


class XgboostPath:
    """Scores the logged batches of one version of an xgboost model again.

    Attributes:
        engine: the installed xgboost, such as "xgboost 3.2.0".
    """

    def __init__(self, bundle: Bundle) -> None:
        """Loads the booster of a bundle, and predicts one row.

        Raises:
            BundleError: the booster can't be loaded, its file can't be trusted, or model.toml does not fit it.
        """
        settings = bundle.settings
        file = open_booster_file(bundle)
        self._xgboost, booster = file.xgboost, file.booster
        names = _names(booster, settings)
        self._reader = RowReader(
            names, levels_of(file, names, settings), _missing(booster, settings), settings.xgboost.base_margin
        )
        self._types: list[str] | None = booster.feature_types
        named = bool(booster.feature_names) and not any(mark in name for name in names for mark in _FORBIDDEN)
        self._named = list(names) if named else None
        learner = json.loads(booster.save_config())["learner"]
        # A linear model has the weights of its last round only.
        linear = learner["gradient_booster"]["name"] == "gblinear"
        rounds = (0, 0) if linear else _rounds(booster, settings)
        self._outputs = BoosterOutputs(booster, settings, names, learner["objective"]["name"], rounds, named)
        self.engine = f"xgboost {file.xgboost.__version__}"
        self._try()

    def score(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        """Scores each batch, and returns the results in order.

        A booster's rows don't depend on one another, so batches that were sent in one form are predicted at once. A
        batch without its features, or that does not fit the booster, becomes a Failure.

        Raises:
            BundleError: pandas is needed and not installed, or model.toml asks for outputs that the booster can't give.
        """
        results: list[Rescored | Failure] = [Failure("")] * len(logged_batches)
        groups: dict[tuple[bool, np.dtype[Any]], list[tuple[int, Rows]]] = defaultdict(list)
        for at, logged_batch in enumerate(logged_batches):
            if logged_batch.no_features:
                results[at] = Failure(logged_batch.no_features)
                continue
            try:
                rows = self._reader.read(logged_batch)
            except UnfitRows as error:
                results[at] = Failure(f"the rows don't fit the booster: {error}")
            else:
                groups[rows.is_table, rows.numbers.dtype].append((at, rows))
        for group in groups.values():
            answers = self._answers([rows for _, rows in group])
            for (at, _), answer in zip(group, answers, strict=True):
                results[at] = answer
        return results

    def close(self) -> None:
        """Does nothing: the booster is freed with this object."""

    def _try(self) -> None:
        """Predicts one row, because an output that the booster can't give fails for every row.

        Raises:
            BundleError: model.toml asks for outputs that the booster can't give.
        """
        row = np.zeros((1, len(self._reader.names)), np.float32)
        margin = None if self._reader.margin is None else np.zeros(1, np.float32)
        try:
            self._predicted([Rows(row, margin, is_table=False)])
        except ValueError as error:
            raise BundleError(f"xgboost can't give what model.toml asks for: {first_line(error)}") from error

    def _answers(self, parts: Sequence[Rows]) -> list[Rescored | Failure]:
        """Predicts all parts at once and returns each one's result; if that fails, halves them to find the bad part."""
        try:
            columns = self._predicted(parts)
        except ValueError as error:  # xgboost's own errors are such, too
            if len(parts) == 1:
                return [Failure(f"xgboost failed: {first_line(error)}")]
            middle = len(parts) // 2
            return self._answers(parts[:middle]) + self._answers(parts[middle:])
        answers: list[Rescored | Failure] = []
        first = 0
        for part in parts:
            count = len(part.numbers)
            answers.append(Rescored(tuple(column.slice(first, count) for column in columns)))
            first += count
        return answers

    def _predicted(self, parts: Sequence[Rows]) -> list[Column]:
        reader = self._reader
        numbers = np.concatenate([part.numbers for part in parts])
        margins = [part.margins for part in parts if part.margins is not None]
        by_values = parts[0].is_table and takes_values(reader.levels)
        columns = self._named or [f"f{position}" for position in range(numbers.shape[1])]
        matrix = self._xgboost.DMatrix(
            frame_of(numbers, columns, reader.levels) if by_values else numbers,
            base_margin=np.concatenate(margins) if margins else None,
            missing=reader.missing,
            feature_names=self._named,
            feature_types=self._types,
            enable_categorical=bool(reader.levels),
        )
        return self._outputs.columns(matrix)


def _names(booster: Any, settings: ModelSettings) -> tuple[str, ...]:
    own: list[str] = list(booster.feature_names or ())
    if repeated := [name for name, times in Counter(own).items() if times > 1]:
        raise BundleError(
            f"the model file has more than one feature named '{repeated[0]}', so its columns can not be told apart: "
            "give each its own name and save it again"
        )
    count = booster.num_features()
    names = own or settings.xgboost.feature_names or [f"f{position}" for position in range(count)]
    if len(names) != count:
        raise BundleError(f"model.toml: xgboost.feature_names has {len(names)} names, the model takes {count} features")
    return tuple(names)


def _missing(booster: Any, settings: ModelSettings) -> float:
    """Returns the number that stands for missing; the sklearn wrapper up to xgboost 1.7 saved it in the file."""
    if settings.xgboost.missing is not None:
        return settings.xgboost.missing
    try:
        wrapper = json.loads(booster.attr("scikit_learn") or "{}")
    except ValueError:
        return math.nan
    said = wrapper.get("missing") if isinstance(wrapper, dict) else None
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else math.nan


def _rounds(booster: Any, settings: ModelSettings) -> tuple[int, int]:
    """Returns the rounds that predict, for `iteration_range`; (0, 0) means all."""
    said, trees, last = booster.attr("best_iteration"), settings.xgboost.trees, booster.num_boosted_rounds() - 1
    if said is None:
        if trees == "best":
            raise BundleError("model.toml: xgboost.trees is 'best', but the model has no best iteration")
        return 0, 0
    best = int(said) if said.isascii() and said.isdecimal() else -1
    if not 0 <= best <= last:
        raise BundleError("the model file's attribute best_iteration names none of its rounds")
    if trees is None and best != last:
        raise BundleError(
            f"the model's best iteration is {best}, its last {last}: model.toml must say by xgboost.trees which trees "
            "predict"
        )
    return (0, best + 1) if trees == "best" else (0, 0)
