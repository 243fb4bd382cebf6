"""Python models: ten of them beside their functions called directly, and three of scikit-learn's beside MLServer.

The makers are those of the tests, so PYTHONPATH needs `tests`; torch and the old pickle run in Debian's own Python.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import joblib
import numpy as np
from debian_models import DEBIAN, make_torch, make_yesterday
from load import SCORE, SCOREBRIDGE, calls_per_second
from python_boosters import make_function, make_glm, make_lightgbm_file, make_lightgbm_pickle, make_xgboost_pickle
from python_models import PythonModel, make_forest_of_columns, make_histogram_boosting, make_pipeline_of_frames
from python_workers import bound_rows, function, resident, worker_exchange
from rounds import Result, p50_s, take_turns
from scorebridge import ScoringClient, Source
from scorebridge.batch import Batch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from world import World
from xgboost import XGBClassifier

from bridge.columns import Array

__all__ = ["beside_mlserver", "beside_the_function", "python_wire"]

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_NAME = "python"
_IN_FLIGHT = 32
_MODELS: Mapping[str, Callable[[Path], PythonModel]] = {
    "pipeline with text": make_pipeline_of_frames,
    "forest with text": make_forest_of_columns,
    "HistGradientBoosting": make_histogram_boosting,
    "lightgbm's file": make_lightgbm_file,
    "lightgbm's wrapper": make_lightgbm_pickle,
    "xgboost's wrapper": make_xgboost_pickle,
    "torch": make_torch,
    "statsmodels": make_glm,
    "function": make_function,
    "yesterday's pickle": lambda folder: make_yesterday(folder, "logistic", "debian"),
}
_CLASSIFIER = """
import joblib
import numpy as np

_model = joblib.load("model.joblib")


def predict(frame):
    return _model.predict_proba(np.ascontiguousarray(frame.to_numpy()))[:, 1]
"""


def python_wire(world: World) -> list[Result]:
    """What an exchange with a worker takes beyond its function at 1 and 1,000 rows of 30 doubles, ms."""
    names = [f"x{place}" for place in range(30)]
    folder = world.work / "sum"
    folder.mkdir()
    (folder / "Pred.py").write_text(f"def predict({', '.join(names)}):\n    return {' + '.join(names)}\n")
    seconds, results = world.times.seconds, []
    for rows in (1, 1000):
        values = np.random.default_rng(1).normal(size=(rows, 30))
        request = Batch(_NAME, dict(zip(names, values.T, strict=True)), None, {}).message()
        with resident(folder) as model:
            table = bound_rows(model, request)
            with worker_exchange(model, table) as exchange_s, function(model, table) as function_s:
                turns = take_turns(
                    world.times.rounds,
                    {"function": lambda: function_s(seconds), "exchange": lambda: exchange_s(seconds)},
                )
        pairs = zip(turns.values["exchange"], turns.values["function"], strict=True)
        turns.values["beyond"] = [1e3 * (whole - part) for whole, part in pairs]
        figures = {f"{name}, ms": round(turns.median(name) * 1e3, 3) for name in ("function", "exchange")}
        what = f"Python function of 30 doubles, {rows:,} row{'s' * (rows > 1)}: ms of an exchange beyond the function"
        results.append(Result.at_most(what, 0.2, turns.measured("beyond"), **figures))
    return results


def beside_the_function(world: World) -> list[Result]:
    """Ten models: one caller's p50 through a gateway that records, beside the function's own; 32 calls in flight."""
    results = []
    for number, (name, make) in enumerate(_MODELS.items()):
        model = make(world.work / f"model{number}")
        with _deployed(world, model.folder), world.recorded_gateway("--config", str(_config(world))) as (url, _, _):
            told = {"rows compared": len(model.rows), "differing bits": _differing_bits(url, model)}
            results += [_one_caller(world, name, model, (url, rows), told) for rows in (1, 1000)]
            results.append(_many_callers(world, name, model, url))
    return results


def _one_caller(world: World, name: str, model: PythonModel, asked: tuple[str, int], told: Mapping[str, int]) -> Result:
    url, rows = asked
    message = Batch(_NAME, model.rows[:rows], None, {}).message()
    request, seconds = message.SerializeToString(), world.times.seconds
    with resident(model.folder) as opened, grpc.insecure_channel(url) as channel:
        ask: Any = channel.unary_unary(SCORE, None, None)
        with function(opened, bound_rows(opened, message)) as function_s:
            turns = take_turns(
                world.times.rounds,
                {"function": lambda: function_s(seconds), "gateway": lambda: p50_s(lambda: ask(request), seconds)},
            )
    figures = {f"{one}, ms": round(turns.median(one) * 1e3, 3) for one in turns.values}
    what = f"{name}, {rows:,} row{'s' * (rows > 1)}, one caller, recorded: p50 over the function called directly"
    return Result.noted(what, turns.ratio("gateway", "function"), **figures, **told)


def _many_callers(world: World, name: str, model: PythonModel, url: str) -> Result:
    request = Batch(_NAME, model.rows[:1], None, {}).message().SerializeToString()
    turns = take_turns(
        world.times.rounds, {"gateway": lambda: calls_per_second(url, SCORE, request, _IN_FLIGHT, world.times.seconds)}
    )
    return Result.noted(f"{name}, 1 row, {_IN_FLIGHT} in flight, recorded: calls/s", turns.measured("gateway"))


def beside_mlserver(world: World) -> list[Result]:
    """Three classifiers of scikit-learn, calls a second of 1 and 1,000 rows, recorded, beside MLServer's runtime.

    All cores for everybody: a gateway's workers are made to compute beside it.
    """
    rows = world.tumours.to_numpy()
    target = (world.cancer_scores(rows) > 0.5).astype(int)
    classifiers: dict[str, Any] = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
        "HistGradientBoosting": HistGradientBoostingClassifier(),
        "xgboost's wrapper": XGBClassifier(n_estimators=100, n_jobs=1),
    }
    results = []
    for name, classifier in classifiers.items():
        folder = world.work / "classifier"
        folder.mkdir()
        joblib.dump(classifier.fit(rows, target), folder / "model.joblib")
        (folder / "Pred.py").write_text(_CLASSIFIER)
        features = "".join(f'"{column}" = "double"\n' for column in world.tumours)
        (folder / "model.toml").write_text(f'input = "frame"\nrow_wise = true\n[features]\n{features}')
        with _deployed(world, folder):
            results += [
                _beside_mlserver(world, name, classifier, rows, flight) for rows, flight in ((1, 32), (1000, 8))
            ]
        shutil.rmtree(folder)
    return results


def _beside_mlserver(world: World, name: str, classifier: Any, rows: int, in_flight: int) -> Result:
    batch = world.cancer_rows(rows)
    peer = world.mlserver_tensor(batch, "predict_proba")
    request = Batch(_NAME, batch, None, {}).message().SerializeToString()
    saved = world.work / "classifier" / "model.joblib"
    expected = classifier.predict_proba(batch)
    every_core = f"0-{(os.cpu_count() or 1) - 1}"
    with (
        world.mlserver_of(saved, "mlserver_sklearn.SKLearnModel", peer, every_core) as mlserver,
        world.recorded_gateway(cores=every_core) as (url, _, _),
    ):
        assert np.array_equal(world.ask_mlserver(mlserver, peer).reshape(-1, 2), expected)
        with ScoringClient(url) as client:
            answer = client.score(_NAME, batch)
        assert answer.source is Source.MODEL
        assert np.array_equal(answer.scores, expected[:, 1])
        seconds = world.times.seconds
        turns = take_turns(
            world.times.rounds,
            {
                "gateway": lambda: calls_per_second(url, SCORE, request, in_flight, seconds),
                "MLServer": lambda: calls_per_second(mlserver, _INFER, peer.read_bytes(), in_flight, seconds),
            },
        )
    figures = {f"{one}, calls/s": round(turns.median(one)) for one in turns.values}
    what = f"scikit-learn, {name}, {rows:,} row{'s' * (rows > 1)}, {in_flight} in flight, recorded"
    return Result.noted(f"{what}: calls/s over MLServer's", turns.ratio("gateway", "MLServer"), **figures)


def _config(world: World) -> Path:
    path = world.work / "pythons.toml"
    path.write_text(f"[pythons]\ndebian = {json.dumps(str(DEBIAN))}\n")
    return path


@contextmanager
def _deployed(world: World, folder: Path) -> Iterator[None]:
    """Meanwhile a bundle is deployed; one whose rows don't say the same together as alone is not row-wise then."""
    options = ["--repository", world.repository, "--model", _NAME, "--config", _config(world)]
    command = list(map(str, [SCOREBRIDGE, "deploy", folder, *options]))
    environment = os.environ | {"COLUMNS": "400"}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode and "model.toml says row_wise = true" in done.stdout + done.stderr:
        settings = folder / "model.toml"
        settings.write_text(settings.read_text().replace("row_wise = true\n", ""))
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    with ExitStack() as end:
        end.callback(shutil.rmtree, world.repository / _NAME)
        yield


def _differing_bits(url: str, model: PythonModel) -> int:
    """The number of bits in which the scores of all rows, in one call, differ from the library's own."""
    (expected,) = model.direct([model.rows])
    with ScoringClient(url, timeout_s=60) as client:
        answer = client.score(_NAME, model.rows)
    assert answer.source is Source.MODEL
    assert list(answer.columns) == list(expected)
    return sum(_differing(answer.columns[name], values) for name, values in expected.items())


def _differing(found: Array, expected: Array) -> int:
    assert found.dtype == expected.dtype
    if expected.dtype.kind == "O":
        assert found.tolist() == expected.tolist()
        return 0
    if expected.dtype.kind == "f":  # a NaN has many forms
        found, expected = (np.where(np.isnan(one), np.nan, one) for one in (found, expected))
    raw = np.frombuffer(found.tobytes(), "u1") ^ np.frombuffer(expected.tobytes(), "u1")
    return int(np.unpackbits(raw).sum())
