"""Boosters and others of Python's libraries, each as a bundle, used while the bundle loads where that could hang."""

import pickle
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
import xgboost
from python_models import (
    CATEGORIES,
    NUMBERS,
    ROWS,
    TRAINED,
    Columns,
    PythonModel,
    categorical,
    one_by_one,
    people,
    target,
    write_python_bundle,
)

__all__ = ["make_function", "make_glm", "make_lightgbm_file", "make_lightgbm_pickle", "make_xgboost_pickle"]


def make_lightgbm_file(folder: Path) -> PythonModel:
    """A booster in lightgbm's own file, of numbers of which some are missing."""
    code = """
import lightgbm
import numpy as np
_booster = lightgbm.Booster(model_file="model.txt")
_booster.predict(np.ones((20000, 3)))
def predict(age, income, visits):
    return _booster.predict(np.column_stack([age, income, visits]))
"""
    write_python_bundle(folder, code, '[features]\nage = "double"\nincome = "double"\nvisits = "int"\n')
    training = people(TRAINED, 1)
    data = lightgbm.Dataset(training[NUMBERS].to_numpy(), target(training))
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, 30)
    booster.save_model(folder / "model.txt")
    direct = one_by_one(lambda rows: {"score": np.asarray(booster.predict(rows.to_numpy()))})
    return PythonModel(folder, people(ROWS, 2)[NUMBERS], direct)


_PICKLED = """
import pickle
import numpy as np
import pandas as pd
with open("model.pkl", "rb") as file:
    _model = pickle.load(file)
_cities = pd.Categorical(["Köln"] * 20000, ["Aachen", "Köln", "Lübeck", "東京"])
_model.predict_proba(pd.DataFrame({"age": np.ones(20000), "income": 1.0, "visits": 1, "city": _cities}))
def predict(frame):
    return _model.predict_proba(frame)[:, 1]
"""


def make_lightgbm_pickle(folder: Path) -> PythonModel:
    """A pickled classifier of lightgbm with a categorical column."""
    return _pickled(folder, lightgbm.LGBMClassifier(n_estimators=30, verbose=-1))


def make_xgboost_pickle(folder: Path) -> PythonModel:
    """A pickled classifier of xgboost with a categorical column."""
    return _pickled(folder, xgboost.XGBClassifier(n_estimators=30, enable_categorical=True, tree_method="hist"))


def _pickled(folder: Path, model: lightgbm.LGBMClassifier | xgboost.XGBClassifier) -> PythonModel:
    write_python_bundle(folder, _PICKLED, CATEGORIES)
    training = people(TRAINED, 1)
    model.fit(categorical(training), target(training))
    (folder / "model.pkl").write_bytes(pickle.dumps(model))

    def direct(rows: pd.DataFrame) -> Columns:
        return {"score": np.asarray(model.predict_proba(categorical(rows)))[:, 1]}

    return PythonModel(folder, people(ROWS, 2)[[*NUMBERS, "city"]], one_by_one(direct))


def make_glm(folder: Path) -> PythonModel:
    """A generalized linear model of statsmodels with a formula, whose scores are a series, missing where a row is."""
    code = """
import statsmodels.api as sm
_fit = sm.load("model.pickle")
def predict(frame):
    return _fit.predict(frame)
"""
    settings = '\ninput = "frame"\n[features]\nage = "double"\nvisits = "int64"\nplan = "string"\n'
    write_python_bundle(folder, code, settings)
    training = people(TRAINED, 1)
    training["late"] = target(training)
    fit = smf.glm("late ~ age + np.log1p(visits) + plan", training, family=sm.families.Binomial()).fit()
    fit.save(folder / "model.pickle")
    direct = one_by_one(lambda rows: {"score": fit.predict(rows).to_numpy()})
    return PythonModel(folder, people(ROWS, 2)[["age", "visits", "plan"]], direct)


def make_function(folder: Path) -> PythonModel:
    """A function without a model file, whose outputs have all types."""
    code = """
import numpy as np
def predict(age, visits, city, plan):
    known = np.array([one is not None for one in city])
    where = np.array([f"{one or '?'}/{other}" for one, other in zip(city, plan)], object)
    return {"score": np.sqrt(age) * visits, "small": (age / 3).astype(np.float32), "cubed": visits ** 9, "known": known,
            "where": where}
"""
    settings = '[features]\nage = "double"\nvisits = "int"\ncity = "string"\nplan = "string"\n'
    write_python_bundle(folder, code, settings)

    def direct(rows: pd.DataFrame) -> Columns:
        age, visits = rows["age"].to_numpy(), rows["visits"].to_numpy()
        where = rows["city"].fillna("?") + "/" + rows["plan"]
        return {
            "score": np.sqrt(age) * visits,
            "small": (age / 3).astype(np.float32),
            "cubed": visits**9,
            "known": rows["city"].notna().to_numpy(),
            "where": where.to_numpy(object),
        }

    return PythonModel(folder, people(ROWS, 2)[["age", "visits", "city", "plan"]], one_by_one(direct))
