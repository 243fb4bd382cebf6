"""Models as people train them in Python, each as a bundle, with rows and the scores that its library itself gives."""

import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from bridge.columns import Array
from bridge.row_files.csv_cells import Cell, format_cells

__all__ = [
    "CATEGORIES",
    "CITIES",
    "NUMBERS",
    "ROWS",
    "TRAINED",
    "Columns",
    "PythonModel",
    "categorical",
    "make_forest_of_columns",
    "make_histogram_boosting",
    "make_pipeline_of_frames",
    "one_by_one",
    "people",
    "target",
    "write_python_bundle",
]

CITIES = ["Aachen", "Köln", "Lübeck", "東京"]
TRAINED, ROWS = 2_000, 4_000
NUMBERS = ["age", "income", "visits"]

Columns = dict[str, Array]


@dataclass(frozen=True)
class PythonModel:
    """A bundle that was trained.

    Attributes:
        folder: the bundle, without golden rows.
        rows: what callers send.
        direct: what the library itself gives for frames of rows, each scored by a call of its own: outputs by name.
    """

    folder: Path
    rows: pd.DataFrame
    direct: Callable[[Sequence[pd.DataFrame]], list[Columns]]

    def prove(self) -> None:
        """Adds the first rows as golden ones, with the library's own scores of them."""
        rows = self.rows[:20]
        scores = {f"score.{name}": values for name, values in self.direct([rows])[0].items()}
        columns = {name: rows[name].tolist() for name in rows} | {name: one.tolist() for name, one in scores.items()}
        lines = [[Cell(name, quoted=False) for name in columns]]
        lines += [[Cell.of(value) for value in line] for line in zip(*columns.values(), strict=True)]
        (self.folder / "golden.csv").write_text(format_cells(lines))


def people(count: int, seed: int) -> pd.DataFrame:
    """Rows with numbers, whole numbers and text, of which some are missing."""
    chance = np.random.default_rng(seed)
    age = chance.normal(45, 12, count)
    age[chance.random(count) < 0.1] = np.nan
    income = chance.lognormal(10, 1, count)
    income[chance.random(count) < 0.2] = np.nan
    city = chance.choice(np.array([*CITIES, None], object), count)
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "visits": chance.integers(0, 40, count),
            "city": city.tolist(),
            "plan": chance.choice(["basic", "plus", ""], count).tolist(),
        }
    )


def write_python_bundle(folder: Path, code: str, settings: str = "", *, row_wise: bool = True) -> Path:
    """Makes a bundle without a model file; with `row_wise` its author says that rows are independent."""
    folder.mkdir(parents=True)
    claim = "row_wise = true\n" if row_wise else ""
    (folder / "Pred.py").write_text(code)
    (folder / "model.toml").write_text(f"timeout_s = 30.0\nworkers = 2\nchunk_rows = 1000\n{claim}{settings}")
    return folder


def target(rows: pd.DataFrame, classes: int = 2) -> Array:
    plain = rows["age"].fillna(40) / 20 + rows["visits"] / 20 + rows["city"].isna() + (rows["plan"] == "plus")
    noisy = plain + np.random.default_rng(5).normal(size=len(rows))
    return np.asarray(pd.qcut(noisy, classes, labels=False))


def one_by_one(scores: Callable[[pd.DataFrame], Columns]) -> Callable[[Sequence[pd.DataFrame]], list[Columns]]:
    """Scores in one thread: with more, the sums of a product of matrices may have other last bits."""

    def direct(frames: Sequence[pd.DataFrame]) -> list[Columns]:
        with threadpool_limits(1):
            return [scores(frame.reset_index(drop=True)) for frame in frames]

    return direct


def _matrix(probabilities: Array) -> Columns:
    return {f"score_{place}": values for place, values in enumerate(probabilities.T, 1)}


_FRAME = """
input = "frame"
[features]
age = "double"
income = "double"
visits = "int"
city = "string"
plan = "string"
"""
CATEGORIES = f"""
input = "frame"
[features]
age = "double"
income = "double"
visits = "int64"
city = {{type = "factor", levels = {json.dumps(CITIES, ensure_ascii=False)}}}
"""


def categorical(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as people make them for libraries that take categories."""
    return rows[[*NUMBERS, "city"]].astype({"city": pd.CategoricalDtype(CITIES)})


def _preparation() -> Any:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_column_transformer((numbers, NUMBERS), (texts, ["city", "plan"]))


def make_pipeline_of_frames(folder: Path) -> PythonModel:
    """A pipeline of scikit-learn with text and missing values, which takes a frame."""
    code = """
import joblib
pipeline = joblib.load("model.joblib")
def predict(frame):
    return pipeline.predict_proba(frame)[:, 1]
"""
    write_python_bundle(folder, code, _FRAME)
    training = people(TRAINED, 1)
    pipeline = make_pipeline(_preparation(), LogisticRegression()).fit(training, target(training))
    joblib.dump(pipeline, folder / "model.joblib")
    direct = one_by_one(lambda rows: {"score": pipeline.predict_proba(rows)[:, 1]})
    return PythonModel(folder, people(ROWS, 2), direct)


def make_forest_of_columns(folder: Path) -> PythonModel:
    """A pipeline with a forest of three classes, whose function takes columns and returns a matrix.

    Its `n_jobs` is -1, as many people have it: in several threads, the last bits of a score are different each time.
    """
    code = """
import pickle
import pandas as pd
with open("model.pkl", "rb") as file:
    _forest = pickle.load(file)
def predict(age, income, visits, city, plan):
    rows = pd.DataFrame({"age": age, "income": income, "visits": visits, "city": city, "plan": plan})
    return _forest.predict_proba(rows.astype({"city": "str", "plan": "str"}))
"""
    write_python_bundle(folder, code, _FRAME.replace('input = "frame"', ""))
    training = people(TRAINED, 1)
    forest = make_pipeline(_preparation(), RandomForestClassifier(30, n_jobs=-1, random_state=1))
    forest.fit(training, target(training, 3))
    (folder / "model.pkl").write_bytes(pickle.dumps(forest))
    forest.set_params(randomforestclassifier__n_jobs=1)
    return PythonModel(folder, people(ROWS, 2), one_by_one(lambda rows: _matrix(forest.predict_proba(rows))))


def make_histogram_boosting(folder: Path) -> PythonModel:
    """HistGradientBoosting with categories of its own and missing values, used while the bundle loads."""
    code = """
import joblib
import numpy as np
import pandas as pd
model = joblib.load("model.joblib")
_cities = pd.Categorical(["Köln"] * 20000, ["Aachen", "Köln", "Lübeck", "東京"])
model.predict_proba(pd.DataFrame({"age": np.ones(20000), "income": 1.0, "visits": 1, "city": _cities}))
def predict(frame):
    return model.predict_proba(frame)[:, 1]
"""
    write_python_bundle(folder, code, CATEGORIES)
    training = people(TRAINED, 1)
    model = HistGradientBoostingClassifier(max_iter=30, categorical_features="from_dtype", random_state=1)
    model.fit(categorical(training), target(training))
    joblib.dump(model, folder / "model.joblib")
    direct = one_by_one(lambda rows: {"score": model.predict_proba(categorical(rows))[:, 1]})
    return PythonModel(folder, people(ROWS, 2)[[*NUMBERS, "city"]], direct)
