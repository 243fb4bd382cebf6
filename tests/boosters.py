"""Small boosters, and bundles of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from bridge.columns import Array

__all__ = ["BINARY", "NAMES", "Model", "some_rows", "train", "write"]

NAMES = ["a", "b", "c", "d"]
BINARY = {"objective": "binary:logistic"}


def some_rows(count: int, seed: int = 1) -> Array:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, len(NAMES)))
    rows[generator.random(rows.shape) < 0.1] = np.nan
    return rows


@dataclass
class Model:
    """A booster, and what its training knew."""

    booster: xgboost.Booster
    missing: float = np.nan
    rounds: int = 0

    def direct(self, rows: Array) -> Array:
        """What xgboost itself predicts."""
        matrix = xgboost.DMatrix(rows, feature_names=NAMES, missing=self.missing)
        return np.asarray(self.booster.predict(matrix, iteration_range=(0, self.rounds)))


def train(parameters: dict[str, Any], *, missing: float = np.nan, stop_early: bool = False) -> xgboost.Booster:
    rows = np.nan_to_num(some_rows(500), nan=missing)
    target = (np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 1]) > 0).astype(int)
    if "num_class" in parameters:
        target += rows[:, 2] > 0
    training = xgboost.DMatrix(rows, target, feature_names=NAMES, missing=missing)
    if parameters["objective"] == "survival:aft":
        training.set_float_info("label_lower_bound", target + 1)
        training.set_float_info("label_upper_bound", target + 2)
    if parameters["objective"].startswith("rank"):
        training.set_group([10] * 50)
    if not stop_early:
        return xgboost.train({"nthread": 1} | parameters, training, 30)
    noise = np.random.default_rng(2).integers(0, 2, 500)
    validation = xgboost.DMatrix(rows, noise, feature_names=NAMES, missing=missing)
    chosen: dict[str, Any] = {"early_stopping_rounds": 5, "evals": [(validation, "v")], "verbose_eval": False}
    return xgboost.train({"nthread": 1, "eta": 0.5} | parameters, training, 30, **chosen)


def write(folder: Path, model: Model, settings: str = "", name: str = "model.ubj") -> Path:
    folder.mkdir(exist_ok=True)
    model.booster.save_model(folder / name)
    (folder / "model.toml").write_text(settings)
    return folder
