"""Trains a small xgboost model where it is run, so that its file is not newer than the xgboost there.

Writes the bundle `FOLDER/risk`, `FOLDER/rows.csv`, and into `FOLDER/scores.txt` what the booster says of these rows.
"""

import sys
from pathlib import Path

import numpy as np
import xgboost

folder = Path(sys.argv[1])
rows = np.random.default_rng(7).normal(size=(40, 2))
booster = xgboost.train(
    {"objective": "binary:logistic"}, xgboost.DMatrix(rows, rows.sum(axis=1) > 0, feature_names=["age", "bmi"]), 5
)
(folder / "risk").mkdir()
booster.save_model(folder / "risk" / "model.ubj")
(folder / "risk" / "model.toml").write_text("default_score = 0.5\n")
lines = [",".join(map(repr, row)) for row in rows.tolist()]
(folder / "rows.csv").write_text("\n".join(["age,bmi", *lines]) + "\n")
scores = booster.predict(xgboost.DMatrix(rows, feature_names=["age", "bmi"]))
(folder / "scores.txt").write_text("\n".join(map(repr, scores.tolist())))
