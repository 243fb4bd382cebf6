"""What computes an xgboost model's scores: the booster, or lignum, or each where it is faster.

The booster is called through its C interface (`XGBoosterPredictFromDense`, xgboost/c_api.h): half the fixed cost of
`inplace_predict`.

Each is a function from float32 rows, shape (rows, features), to the booster's scores, shape (rows * outputs,). It may
be called from several threads at once; both libraries let go of the interpreter meanwhile.
"""

import ctypes
import json
import math
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bridge.columns import Array

__all__ = ["EngineFailed", "Predict", "faster_of", "inline_rows", "lignum_scores", "load_booster", "load_lignum"]

Predict = Callable[[Array], Array]

_INLINE_S = 0.0005  # a hop to a thread and back costs about a tenth of a millisecond, a stalled loop costs everybody
_TRIALS = 5
_COMPARED_ROWS = (64, 128, 256, 512, 1024)  # 64 are what one thread of xgboost takes at a time
_SIGMOIDS = ("binary:logistic", "reg:logistic")
_LEAST_SIGMOID = np.float32(3.006636e-39)  # of a margin of -88.7: xgboost takes none below it, lignum does


class EngineFailed(Exception):
    """What the engine said, which may hold input values."""


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


def inline_rows(predict: Predict, features: int) -> int:
    """How many rows are scored faster than a thread is worth."""
    trial = _trial(features)
    return next((rows for rows in (*reversed(_COMPARED_ROWS), 1) if _seconds(predict, trial[:rows]) <= _INLINE_S), 0)


def _trial(features: int) -> Array:
    """Random rows, because a batch of equal ones takes one way through the trees."""
    rows: Array = np.random.default_rng(2).normal(0, 100, (_COMPARED_ROWS[-1], features)).astype(np.float32)
    return rows


def _seconds(predict: Predict, rows: Array) -> float:
    times = []
    for _ in range(_TRIALS):
        began = time.perf_counter()
        predict(rows)
        times.append(time.perf_counter() - began)
    return min(times)


def load_lignum(path: Path, library: Path | None, objective: str) -> Predict:
    """The same by lignum, which was proven to give the booster's bits; all trees, NaN missing.

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
            raise EngineFailed(str(error)) from error
        # Each score is a float32 that it hands out as a double.
        scores = np.asarray(scores, np.float32).ravel()
        return scores if least is None else np.maximum(scores, least)

    return predict


def load_booster(path: Path, rounds: int, missing: float) -> Predict:
    """The booster itself, with so many rounds (0 means all) and this value for a missing one."""
    import xgboost  # noqa: PLC0415 - importing the bridge must not need it
    from xgboost import core  # noqa: PLC0415

    booster = xgboost.Booster(params={"nthread": 1}, model_file=str(path))
    library: Any = core._LIB  # noqa: SLF001 - the one loaded copy of the C library
    config = _prediction(rounds, missing)

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
            raise EngineFailed(library.XGBGetLastError().decode(errors="replace"))
        # The buffer belongs to the thread and its next call.
        return np.ctypeslib.as_array(result, (_product(shape[: dimensions.value]),)).copy()

    return predict


def _prediction(rounds: int, missing: float) -> bytes:
    """What xgboost's C interface calls the configuration of a prediction."""
    return json.dumps(
        {
            "type": 0,
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
