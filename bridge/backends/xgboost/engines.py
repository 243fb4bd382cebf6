"""The engines that compute an xgboost model's scores: the booster, lignum, or whichever is faster for a batch.

The booster predicts rows in place through its C interface (`XGBoosterPredictFromDense`, xgboost/c_api.h), at half the
fixed cost of `inplace_predict`. It predicts through a DMatrix where only that gives the bits of `Booster.predict`, or
where additional outputs are asked for.

An engine is a function from float32 rows, shape (rows, features), to the booster's scores, shape (rows * outputs,). It
may be called from several threads at once; both libraries release Python's global lock while they compute.
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

_INLINE_S = 0.0005  # a thread costs a call about 0.1 ms; a longer prediction in the loop would delay all calls
_TRIALS = 5
_COMPARED_ROWS = (64, 128, 256, 512, 1024)  # one thread of xgboost takes 64 at a time
_SIGMOIDS = ("binary:logistic", "reg:logistic")
_LEAST_SIGMOID = np.float32(3.006636e-39)  # of a margin of -88.7, the least that xgboost uses; lignum goes lower


class EngineFailed(Exception):
    """An engine failed; the message is its own and may hold input values.

    Attributes:
        condition_class: the name of the engine's exception class.
    """

    def __init__(self, said: str, condition_class: str) -> None:
        super().__init__(said)
        self.condition_class = condition_class


def faster_of(few: Predict, many: Predict, features: int) -> tuple[Predict, int | None]:
    """Returns an engine that uses the faster of two for each batch, and the most rows for which `few` is faster.

    Of the measured batches, of 64 to 1024 rows, the number is None if `few` is faster for all, and 0 if `many` is; then
    `many` scores every batch. It blocks while it measures.

    Args:
        few: the engine for small batches.
        many: the engine for larger batches, which must give the same bits.
        features: the number of columns that both take.
    """
    trial = _trial(features)
    limit = 0
    for rows in _COMPARED_ROWS:
        if _seconds(few, trial[:rows]) > _seconds(many, trial[:rows]):
            break
        limit = rows
    else:
        return few, None
    return lambda rows: (few if len(rows) <= limit else many)(rows), limit


def inline_rows(predict: Callable[[Array], object], features: int) -> int:
    """Returns the most rows that are better scored in the event loop than in a thread: those that take 0.5 ms at most.

    It blocks while it measures.
    """
    trial = _trial(features)
    return next((rows for rows in (*reversed(_COMPARED_ROWS), 1) if _seconds(predict, trial[:rows]) <= _INLINE_S), 0)


def _trial(features: int) -> Array:
    """Returns random rows; equal rows would all take the same path through the trees."""
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
    """Loads a model file with lignum, for a model for which lignum was proven to give the booster's bits.

    It predicts with all trees, and takes NaN as missing.

    Args:
        path: the model file.
        library: the trees as machine code; None if there is none. The file may be removed once it is loaded.
        objective: the objective that the booster was trained for.
    """
    model: Any = import_module("lignum").load(str(path), compiled=library and str(library))  # an extra
    return lignum_scores(model, objective)


def lignum_scores(model: Any, objective: str) -> Predict:
    """Returns an engine from lignum's model, which gives scores of this objective as xgboost does."""
    least = _LEAST_SIGMOID if objective in _SIGMOIDS else None

    def predict(rows: Array) -> Array:
        try:
            scores = model.predict(rows, n_jobs=1)
        except (ValueError, RuntimeError) as error:
            raise EngineFailed(str(error), type(error).__name__) from error
        # lignum computes scores as float32 and returns them as doubles.
        scores = np.asarray(scores, np.float32).ravel()
        return scores if least is None else np.maximum(scores, least)

    return predict


def load_booster(path: Path, rounds: int, missing: float, *, margin: bool = False) -> Predict:
    """Loads the booster of a model file as an engine that predicts rows in place, to scores or, with `margin`, margins.

    Its first `rounds` rounds predict; 0 means all. `missing` is the number that stands for missing.
    """
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
            raise EngineFailed(said, xgboost.core.XGBoostError.__name__)  # the class that xgboost itself would raise
        # The thread's next call overwrites the buffer.
        return np.ctypeslib.as_array(result, (_product(shape[: dimensions.value]),)).copy()

    return predict


class Prediction(NamedTuple):
    """A booster's prediction for a batch of rows.

    Attributes:
        scores: the scores, shape (rows * outputs,).
        contributions: the contributions, shape (rows, outputs, features + 1), the bias last; None if not asked for.
        leaves: the leaf of each tree, shape (rows, trees); None if not asked for.
    """

    scores: Array
    contributions: Array | None = None
    leaves: Array | None = None


def load_through_matrix(path: Path, facts: ModelFacts, asked: Asked) -> Callable[[Array], Prediction]:
    """Loads the booster as a function that predicts by `Booster.predict` on a DMatrix, which it makes for each batch.

    Args:
        path: the model file.
        facts: the facts of the booster.
        asked: which outputs are predicted. With `base_margin`, rows have their base margin behind the features.
    """
    booster, xgboost = _load(path)
    # Threads may predict with trees at once, but not with a linear model (xgboost's documentation, "Thread Safety").
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
    """Returns the configuration of a prediction for xgboost's C interface, as JSON."""
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
