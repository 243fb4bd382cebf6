"""Trains an xgboost model on scikit-learn's breast cancer data and writes it as a bundle.

python examples/train_cancer.py FOLDER makes FOLDER/cancer.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import xgboost
from sklearn.datasets import load_breast_cancer


def train(folder: Path) -> tuple[xgboost.Booster, pd.DataFrame]:
    """Trains a model and writes its bundle into `folder`/cancer; returns the booster and the rows."""
    loaded: Any = load_breast_cancer(return_X_y=True, as_frame=True)
    rows, target = loaded
    training = xgboost.DMatrix(rows[100:], target[100:])
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "eta": 0.1}, training, 200)
    bundle = folder / "cancer"
    bundle.mkdir(parents=True)
    booster.save_model(bundle / "model.ubj")
    (bundle / "model.toml").write_text("default_score = 0.5\n")
    return booster, rows


if __name__ == "__main__":
    train(Path(sys.argv[1]))
