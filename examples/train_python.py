"""Trains a pipeline of scikit-learn on rows with text and missing values, and writes it as a bundle.

It makes FOLDER/churn, the bundle, and FOLDER/customers.csv, rows to score with the pipeline's own scores of them:

    python examples/train_python.py FOLDER
    scorebridge check FOLDER/churn
    scorebridge deploy FOLDER/churn --repository REPOSITORY --model churn
    scorebridge serve --repository REPOSITORY
    scorebridge score churn --input FOLDER/customers.csv --output scores.csv --keep direct
"""

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

# What runs in the workers: the model is loaded once, and `predict` gets the rows of a call as a frame.
PRED = '''"""How likely customers are to leave."""
import joblib

pipeline = joblib.load("model.joblib")


def predict(frame):
    return pipeline.predict_proba(frame)[:, 1]
'''
SETTINGS = """input = "frame"
default_score = 0.2

[features]
months = "int"
spent = "double"
city = "string"
"""


def customers(count: int, seed: int) -> pd.DataFrame:
    """Returns made-up customers; what some of them spent, and where some of them live, is missing."""
    chance = np.random.default_rng(seed)
    spent = chance.lognormal(3, 1, count)
    spent[chance.choice(count, count // 5, replace=False)] = np.nan
    city = pd.Series(chance.choice(["Aachen", "Köln", "Lübeck"], count), dtype="str")
    city[chance.choice(count, count // 10, replace=False)] = np.nan
    return pd.DataFrame({"months": chance.integers(1, 60, count), "spent": spent, "city": city})


def fitted(rows: pd.DataFrame) -> Pipeline:
    """Returns a pipeline that was trained on these customers."""
    left = np.random.default_rng(3).random(len(rows)) < np.where(rows["spent"].isna(), 0.6, 0.9 - rows["months"] / 70)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    prepared = make_column_transformer((numbers, ["months", "spent"]), (texts, ["city"]))
    return make_pipeline(prepared, LogisticRegression()).fit(rows, left)


def train(folder: Path) -> pd.DataFrame:
    """Trains a pipeline and writes its bundle into `folder`/churn; returns other customers with its scores of them."""
    pipeline = fitted(customers(2_000, seed=1))
    bundle = folder / "churn"
    bundle.mkdir(parents=True)
    joblib.dump(pipeline, bundle / "model.joblib")
    (bundle / "Pred.py").write_text(PRED)
    (bundle / "model.toml").write_text(SETTINGS)
    # A gateway serves the bundle only where these rows get these very scores.
    golden = customers(20, seed=4)
    golden["score.score"] = pipeline.predict_proba(golden)[:, 1]
    golden.to_csv(bundle / "golden.csv", index=False)
    rows = customers(1_000, seed=5)
    rows["direct"] = pipeline.predict_proba(rows)[:, 1]
    rows.to_csv(folder / "customers.csv", index=False)
    return rows


if __name__ == "__main__":
    train(Path(sys.argv[1]))
