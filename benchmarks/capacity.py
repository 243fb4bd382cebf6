"""How the cost of a call grows: with its rows, the model's columns and trees, and the callers."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import numpy as np
import xgboost
from demo import run
from load import SCORE, SCOREBRIDGE, calls_per_second, pinned_gateway
from scorebridge.batch import Batch
from world import World

__all__ = ["Curve", "curves"]

Curve = list[tuple[float, float]]

_ROWS = (1, 10, 100, 1000, 10_000)
_COLUMNS = (5, 30, 100, 300)
_TREES = (50, 200, 800)
_CALLERS = (1, 2, 4, 8, 16, 32, 64)


def curves(world: World) -> dict[str, Curve]:
    """By name: what was varied, and what was measured there. One gateway on one core, recorded."""
    found: dict[str, Curve] = {}
    with world.recorded_gateway() as (url, _, _):
        found["rows → ms a call (one caller)"] = [
            (rows, _p50_ms(url, world.cancer_request(world.cancer_rows(rows)))) for rows in _ROWS
        ]
        request = world.cancer_request(world.cancer_rows(1))
        found["callers → calls/s (1 row)"] = [
            (callers, calls_per_second(url, SCORE, request, callers, world.times.seconds)) for callers in _CALLERS
        ]
        request = world.cancer_request(world.cancer_rows(1000))
        found["callers → rows/s (1,000 rows)"] = [
            (callers, 1000 * calls_per_second(url, SCORE, request, callers, world.times.seconds))
            for callers in _CALLERS[:5]
        ]
    found["columns → ms a call (1,000 rows, 200 trees)"] = [
        (columns, _made_up(world, columns, 200)) for columns in _COLUMNS
    ]
    found["trees → ms a call (1,000 rows, 30 columns)"] = [(trees, _made_up(world, 30, trees)) for trees in _TREES]
    with world.recorded_gateway() as (url, _, _):
        found["rows → ms a call (R glm)"] = [(rows, _p50_ms(url, world.pima_request("glm", rows))) for rows in _ROWS]
    return found


def _p50_ms(url: str, request: bytes) -> float:
    with grpc.insecure_channel(url) as channel:
        ask = channel.unary_unary(SCORE, None, None)
        times = []
        for _ in range(50):
            began = time.perf_counter()
            ask(request)
            times.append(time.perf_counter() - began)
    return median(times[10:]) * 1e3


def _made_up(world: World, columns: int, trees: int) -> float:
    with _model(world, columns, trees) as (repository, rows), pinned_gateway(repository) as (url, _):
        return _p50_ms(url, Batch("made-up", rows, None, {}).message().SerializeToString())


@contextmanager
def _model(world: World, columns: int, trees: int) -> Iterator[tuple[Path, Any]]:
    chance = np.random.default_rng(5)
    rows = chance.normal(size=(1000, columns))
    target = (rows[:, 0] + chance.normal(size=1000) > 0).astype(int)
    settings = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1}
    booster = xgboost.train(settings, xgboost.DMatrix(rows, target), trees)
    folder = world.work / "made-up"
    (folder / "bundle").mkdir(parents=True)
    booster.save_model(folder / "bundle" / "model.ubj")
    run(SCOREBRIDGE, "deploy", folder / "bundle", "--repository", folder / "repository", "--model", "made-up")
    yield folder / "repository", rows
    shutil.rmtree(folder)
