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
                read.append(_matrix(piece.batch, self._facts))
            except (KeyError, ValueError) as error:
                read.append(Failure(f"the rows don't fit the booster: {error}"))
        matrices = [rows for rows in read if not isinstance(rows, Failure)]
        scores = self._predict(np.concatenate(matrices)) if matrices else np.empty((0, self._facts.outputs))
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


def _matrix(batch: Batch, facts: ModelFacts) -> Array:
    """The rows in the booster's order, float32: what xgboost computes with."""
    names = facts.names or [f"f{position}" for position in range(facts.features)]
    if isinstance(batch, Matrix):
        order = [batch.names.index(name) for name in names] if batch.names else list(range(len(names)))
        return np.ascontiguousarray(batch.values[:, order], np.float32)
    return _table(batch, names, facts)


def _table(table: Table, names: Sequence[str], facts: ModelFacts) -> Array:
    columns = {column.name: column for column in table.columns}
    values = np.full((table.rows, len(names)), np.nan, np.float32)
    for position, name in enumerate(names):
        column, categories = columns[name], facts.categories.get(str(position))
        present = ~column.missing()
        if not present.any():
            continue
        found = column.values[present]
        if categories:
            codes = {category: code for code, category in enumerate(categories)}
            text = isinstance(categories[0], str)
            values[present, position] = [codes[entry if text else float(entry)] for entry in found.tolist()]
        else:
            values[present, position] = found.astype(np.float32)
    return values
