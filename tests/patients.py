"""A small xgboost model of three features, rows for it, and what it gives for them."""

from pathlib import Path

import numpy as np
import xgboost

__all__ = ["NAMES", "PATIENTS", "make_diabetes"]

NAMES = ["glu", "bmi", "age"]
PATIENTS: list[dict[str, float | None]] = [
    {"glu": 148.0, "bmi": 33.6, "age": 50},
    {"glu": 85.0, "bmi": None, "age": 31},
]


def make_diabetes(bundle: Path) -> list[float]:
    """Makes the bundle; the scores of the patients."""
    rows = np.random.default_rng(7).uniform(20, 200, (200, len(NAMES)))
    matrix = xgboost.DMatrix(rows, rows[:, 0] > 100, feature_names=NAMES)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 3)
    bundle.mkdir()
    booster.save_model(bundle / "model.ubj")
    asked = np.array([[patient[name] for name in NAMES] for patient in PATIENTS], np.float64)
    scores: list[float] = booster.predict(xgboost.DMatrix(asked, feature_names=NAMES)).tolist()
    return scores
