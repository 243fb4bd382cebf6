"""Boosters scored again by `xgboost.Booster.predict` on a DMatrix: another way into the library than serving's."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from bridge.backends.xgboost_model import CATEGORICAL, ModelFacts, inspect
from bridge.bundle import Bundle
from bridge.columns import Array, Batch, Column, Matrix, Table, Type
from bridge.errors import BundleError
from bridge.reconcile.calls import Piece
from bridge.reconcile.compare import Failure, Rescored

__all__ = ["XgboostPath"]


class XgboostPath:
    """The booster of one version."""

    def __init__(self, bundle: Bundle) -> None:
        """Loads the booster, after a process of its own has shown that the file can be.

        Raises:
            BundleError: it can't be loaded, or xgboost is missing.
        """
        settings = bundle.settings
        self._facts: ModelFacts = asyncio.run(inspect(bundle.model_file, settings.load_timeout_s))
        import xgboost  # noqa: PLC0415 - importing the bridge must not need it

        self._xgboost: Any = xgboost
        self._missing = settings.xgboost.missing
        self._booster = xgboost.Booster(
            params={"nthread": len(os.sched_getaffinity(0))}, model_file=str(bundle.model_file)
        )
        best = self._facts.best_iteration
        if settings.xgboost.trees == "best" and best is None:
            raise BundleError("model.toml: xgboost.trees is 'best', but the model has no best iteration")
        self._rounds = (0, best + 1) if settings.xgboost.trees == "best" and best is not None else (0, 0)
        self.engine = f"xgboost {self._facts.version}"

    def score(self, pieces: Sequence[Piece]) -> list[Rescored | Failure]:
        """See `Rescorer.score`; rows of trees don't depend on one another, so all are predicted at once."""
        read: list[Array | Failure] = []
        for piece in pieces:
            try:
                read.append(_matrix(piece.batch, self._facts, self._missing))
            except ValueError as error:
                read.append(Failure(f"the rows don't fit the booster: {error}"))
        matrices = [rows for rows in read if not isinstance(rows, Failure)]
        try:
            scores = self._predict(np.concatenate(matrices)) if matrices else np.empty((0, self._facts.outputs))
        except self._xgboost.core.XGBoostError as error:
            if len(pieces) > 1:
                return [result for piece in pieces for result in self.score([piece])]
            return [Failure(f"xgboost failed: {_first_line(error)}")]
        results: list[Rescored | Failure] = []
        first = 0
        for rows in read:
            if isinstance(rows, Failure):
                results.append(rows)
                continue
            results.append(self._rescored(scores[first : first + len(rows)]))
            first += len(rows)
        return results

    def close(self) -> None:
        """See `Rescorer.close`."""

    def _predict(self, rows: Array) -> Array:
        matrix = self._xgboost.DMatrix(
            rows,
            missing=self._missing,
            feature_names=self._facts.names or None,
            feature_types=self._facts.types or None,
            enable_categorical=CATEGORICAL in self._facts.types,
        )
        scores: Array = self._booster.predict(matrix, iteration_range=self._rounds)
        return scores.reshape(len(rows), self._facts.outputs)

    def _rescored(self, scores: Array) -> Rescored:
        names = ["score"] if self._facts.outputs == 1 else [f"score_{at}" for at in range(self._facts.outputs)]
        return Rescored(
            tuple(Column(name, Type.FLOAT, np.ascontiguousarray(scores[:, at])) for at, name in enumerate(names))
        )


def _matrix(batch: Batch, facts: ModelFacts, missing: float) -> Array:
    """The rows in the booster's order, float32: what xgboost computes with.

    Raises:
        ValueError: calls that are answered while a version loads are answered before anyone knows what it takes.
    """
    names = facts.names or [f"f{position}" for position in range(facts.features)]
    given = batch.names if isinstance(batch, Matrix) else tuple(column.name for column in batch.columns)
    if given and sorted(given) != sorted(names):
        raise ValueError("they have other columns than the model")
    with np.errstate(over="ignore"):
        values = _ordered(batch, names) if isinstance(batch, Matrix) else _table(batch, names, facts, missing)
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise ValueError(f"column '{names[int(infinite.argmax())]}' holds an infinite number, or one beyond float32")
    return values


def _ordered(matrix: Matrix, names: Sequence[str]) -> Array:
    values = matrix.values
    if matrix.names:
        values = values[:, [matrix.names.index(name) for name in names]]
    elif values.shape[1] != len(names):
        raise ValueError(f"they have {values.shape[1]} columns, the model takes {len(names)}")
    return np.ascontiguousarray(values, np.float32)


def _table(table: Table, names: Sequence[str], facts: ModelFacts, missing: float) -> Array:
    columns = {column.name: column for column in table.columns}
    values = np.full((table.rows, len(names)), np.nan, np.float32)
    for position, name in enumerate(names):
        column = columns[name]
        present = ~column.missing()
        if present.any():
            categories = facts.categories.get(str(position))
            values[present, position] = _numbers(column, column.values[present], categories, np.float32(missing))
    return values


def _numbers(
    column: Column, found: Array, categories: "list[str | float] | None", stands_for_missing: np.float32
) -> Array:
    text = categories is not None and any(isinstance(category, str) for category in categories)
    if text != (column.type is Type.STRING):
        raise ValueError(f"column '{column.name}' is {column.type}, the model takes {'text' if text else 'numbers'}")
    if not categories:
        return found.astype(np.float32)
    known = {category: code for code, category in enumerate(categories)}
    codes = np.array([known.get(entry if text else float(entry), -1) for entry in found.tolist()], np.float32)
    if not text:
        codes[(codes < 0) & (found.astype(np.float32) == stands_for_missing)] = np.nan
    if (codes < 0).any():
        raise ValueError(f"column '{column.name}' has a value that is none of the {len(known)} levels")
    return codes


def _first_line(error: Exception) -> str:
    """Without the stack trace that xgboost puts behind it."""
    return next((line for line in str(error).splitlines() if line), type(error).__name__)
