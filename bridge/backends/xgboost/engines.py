"""What computes an xgboost model's scores: the booster, or lignum, or each where it is faster.

The booster is called in place through its C interface (`XGBoosterPredictFromDense`, xgboost/c_api.h), at half the fixed
cost of `inplace_predict`; or through a DMatrix, where only that gives what `Booster.predict` does, or more is asked.

Each is a function from float32 rows, shape (rows, features), to the booster's scores, shape (rows * outputs,). It may
be called from several threads at once; both libraries let go of the interpreter meanwhile.
"""

import ctypes
import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bridge.backends.xgboost.facts import CATEGORICAL, Asked, ModelFacts
from bridge.columns import Array

__all__ = [
    "EngineFailed",
    "Predict",
    "Prediction",
    "faster_of",
    "inline_rows",
    "lignum_scores",
    "load_booster",
    "load_lignum",
    "load_through_matrix",
]

Predict = Callable[[Array], Array]

_INLINE_S = 0.0005  # a hop to a thread and back costs about a tenth of a millisecond, a stalled loop costs everybody
_TRIALS = 5
_COMPARED_ROWS = (64, 128, 256, 512, 1024)  # 64 are what one thread of xgboost takes at a time
_SIGMOIDS = ("binary:logistic", "reg:logistic")
_LEAST_SIGMOID = np.float32(3.006636e-39)  # of a margin of -88.7: xgboost takes none below it, lignum does


class EngineFailed(Exception):
    """What the engine said, which may hold input values.

    Attributes:
        condition_class: of the exception that says so.
    """

    def __init__(self, said: str, condition_class: str) -> None:
        super().__init__(said)
        self.condition_class = condition_class


def faster_of(few: Predict, many: Predict, features: int) -> tuple[Predict, int]:
    """One that takes `few` for small batches and `many` for others, and the most rows that `few` is faster for.

    Both must give the same bits.
    """
    trial = _trial(features)
    limit = 0
    for rows in _COMPARED_ROWS:
        if _seconds(few, trial[:rows]) > _seconds(many, trial[:rows]):
            break
        limit = rows
    else:
        return few, 0
    return lambda rows: (few if len(rows) <= limit else many)(rows), limit


def inline_rows(predict: Callable[[Array], object], features: int) -> int:
    """How many rows are scored faster than a thread is worth."""
    trial = _trial(features)
    return next((rows for rows in (*reversed(_COMPARED_ROWS), 1) if _seconds(predict, trial[:rows]) <= _INLINE_S), 0)


def _trial(features: int) -> Array:
    """Random rows, because a batch of equal ones takes one way through the trees."""
    rows: Array = np.random.default_rng(2).normal(0, 100, (_COMPARED_ROWS[-1], features)).astype(np.float32)
    return rows


def _seconds(predict: Callable[[Array], object], rows: Array) -> float:
    times = []
    for _ in range(_TRIALS):
        began = time.perf_counter()
        predict(rows)
        times.append(time.perf_counter() - began)
    return min(times)


def load_lignum(path: Path, library: Path | None, objective: str) -> Predict:
    """What predicts by lignum, which was proven to give the booster's bits: by all trees, with NaN as missing.

    Args:
        path: the model file.
        library: the trees as machine code; None if there is none. It may be removed once it is loaded.
        objective: the booster's.
    """
    model: Any = import_module("lignum").load(str(path), compiled=library and str(library))  # an extra
    return lignum_scores(model, objective)


def lignum_scores(model: Any, objective: str) -> Predict:
    """What a model of lignum predicts, as xgboost gives it for this objective."""
    least = _LEAST_SIGMOID if objective in _SIGMOIDS else None

    def predict(rows: Array) -> Array:
        try:
            scores = model.predict(rows, n_jobs=1)
        except (ValueError, RuntimeError) as error:
            raise EngineFailed(str(error), type(error).__name__) from error
        # Each score is a float32 that it hands out as a double.
        scores = np.asarray(scores, np.float32).ravel()
        return scores if least is None else np.maximum(scores, least)

    return predict


def load_booster(path: Path, rounds: int, missing: float, *, margin: bool = False) -> Predict:
    """The booster itself, with so many rounds (0 means all), this value for a missing one; scores or margins."""
    booster, xgboost = _load(path)
    library: Any = xgboost.core._LIB  # noqa: SLF001 - the one loaded copy of the C library
    config = _prediction(rounds, missing, margin=margin)

    def predict(rows: Array) -> Array:
        interface = b'{"data": [%d, true], "shape": [%d, %d], "typestr": "<f4", "version": 3}' % (
            rows.ctypes.data,
            *rows.shape,
        )
        shape, result = ctypes.POINTER(ctypes.c_uint64)(), ctypes.POINTER(ctypes.c_float)()
        dimensions = ctypes.c_uint64()
        status = library.XGBoosterPredictFromDense(
            booster.handle,
            interface,
            config,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(result),
        )
        if status != 0:
            said = library.XGBGetLastError().decode(errors="replace")
            raise EngineFailed(said, xgboost.core.XGBoostError.__name__)  # what xgboost itself makes of it
        # The buffer belongs to the thread and its next call.
        return np.ctypeslib.as_array(result, (_product(shape[: dimensions.value]),)).copy()

    return predict


class Prediction(NamedTuple):
    """What a booster says of rows.

    Attributes:
        scores: shape (rows * outputs,).
        contributions: shape (rows, outputs, features + 1), the last one the bias; None if nobody asked.
        leaves: shape (rows, trees); None if nobody asked.
    """

    scores: Array
    contributions: Array | None = None
    leaves: Array | None = None


def load_through_matrix(path: Path, facts: ModelFacts, asked: Asked) -> Callable[[Array], Prediction]:
    """The booster by `Booster.predict` on a DMatrix that is made for each batch, and is asked for all there is to ask.

    Args:
        path: the model file.
        facts: of the booster.
        asked: with `base_margin`, rows have it behind their features.
    """
    booster, xgboost = _load(path)
    # Trees may be read by many threads at once, weights of a linear model may not (xgboost: "Thread Safety").
    alone: Any = threading.Lock() if facts.booster == "gblinear" else nullcontext()
    rounds = (0, facts.rounds_used)
    shared = {"feature_types": facts.types or None, "enable_categorical": CATEGORICAL in facts.types}

    def predict(rows: Array) -> Prediction:
        values = np.ascontiguousarray(rows[:, : facts.features])
        margin = np.ascontiguousarray(rows[:, facts.features]) if asked.base_margin else None
        try:
            matrix = xgboost.DMatrix(values, missing=facts.missing, base_margin=margin, nthread=1, **shared)
            with alone:
                return _asked_of(booster, matrix, asked, rounds)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise EngineFailed(str(error), type(error).__name__) from error

    return predict


def _asked_of(booster: Any, matrix: Any, asked: Asked, rounds: tuple[int, int]) -> Prediction:
    def ask(**what: bool) -> Array:
        found: Array = booster.predict(matrix, iteration_range=rounds, validate_features=False, **what)
        return found

    scores = ask(output_margin=asked.margin).ravel()
    contributions = leaves = None
    if asked.contributions:
        contributions = ask(pred_contribs=True)
        contributions = contributions.reshape(len(contributions), -1, contributions.shape[-1])
    if asked.leaves:
        leaves = ask(pred_leaf=True)
        leaves = leaves.reshape(len(leaves), -1)
    return Prediction(scores, contributions, leaves)


def _load(path: Path) -> tuple[Any, Any]:
    import xgboost  # noqa: PLC0415 - importing the bridge must not need it

    return xgboost.Booster(params={"nthread": 1}, model_file=str(path)), xgboost


def _prediction(rounds: int, missing: float, *, margin: bool) -> bytes:
    """What xgboost's C interface calls the configuration of a prediction."""
    return json.dumps(
        {
            "type": int(margin),
            "training": False,
            "iteration_begin": 0,
            "iteration_end": rounds,
            "strict_shape": False,
            "cache_id": 0,
            "missing": missing,
        }
    ).encode()


def _product(extents: Sequence[int]) -> int:
    return math.prod(extents)
