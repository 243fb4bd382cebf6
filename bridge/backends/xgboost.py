"""xgboost models: scored in process by the booster itself, over a fixed thread pool.

The booster is called through its C interface (`XGBoosterPredictFromDense`, xgboost/c_api.h): half the fixed cost of
`inplace_predict`. What it accepts and `DMatrix` refuses (Inf, numbers too large for float32) is refused here too, so
that whatever was served can be scored again.
"""

import asyncio
import ctypes
import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np

from bridge.backends import Description
from bridge.backends.xgboost_matrix import Matrices, features_of
from bridge.backends.xgboost_model import ModelFacts, inspect
from bridge.bundle import Bundle
from bridge.calls import Call, Outcome, Output, Range, now
from bridge.columns import Array, Batch, Column, Matrix, Type
from bridge.errors import BundleError, PredictionFailed
from bridge.load import Load
from bridge.model_settings import ModelSettings

__all__ = ["XgboostBackend"]

_BLOCK_ROWS = 64  # what one OpenMP thread of xgboost takes at a time, so a smaller piece gains nothing
_CHUNK_ROWS = 8192  # what a cancelled call keeps a thread busy with at most
_LEAST_ROWS = 256
_INLINE_S = 0.0005  # a hop to a thread and back costs about a tenth of a millisecond, a stalled loop costs everybody


class XgboostBackend:
    """One version of an xgboost model, resident in this process."""

    def __init__(
        self, predict: Callable[[Array], Array], facts: ModelFacts, bundle: Bundle, why_not_lignum: str
    ) -> None:
        self._predict = predict
        self._facts = facts
        self._load = Load(bundle.settings.workers)
        self._pool = ThreadPoolExecutor(self._load.workers, thread_name_prefix="xgboost")
        self._description = _describe(bundle.settings, facts, why_not_lignum)
        self._matrices = Matrices(facts, self._description.features)
        self._inline_rows = self._measured_inline_rows()

    @classmethod
    async def open(cls, bundle: Bundle) -> Self:
        """Loads the booster, after a process of its own has shown that the file can be.

        Raises:
            BundleError: the file is damaged, xgboost is missing, or the settings do not fit the model.
        """
        path, settings = bundle.model_file, bundle.settings
        facts = await inspect(path, settings.load_timeout_s)
        rounds = _rounds(settings, facts)
        reason = _why_not_lignum(settings, facts, rounds)
        if reason and settings.engine.name == "lignum":
            raise BundleError(f"model.toml: engine.name is 'lignum', but {reason}")
        load = _load_booster if reason else _load_lignum
        predict = await asyncio.to_thread(load, path, rounds, settings.xgboost.missing)
        return await asyncio.to_thread(cls, predict, facts, bundle, reason)

    @property
    def description(self) -> Description:
        """What the model says of itself."""
        return self._description

    @property
    def load(self) -> Load:
        """See `Backend.load`."""
        return self._load

    def bind(self, batch: Batch) -> Matrix:
        """See `Backend.bind`; the matrix is float32, in the booster's order."""
        return self._matrices.bind(batch)

    async def score(self, call: Call) -> Outcome:
        """See `Backend.score`."""
        matrix = call.batch if isinstance(call.batch, Matrix) else self.bind(call.batch)
        sent = now()
        call.trace.ask(sent, sent)
        try:
            if call.rows <= self._inline_rows:
                raw = self._predict(matrix.values)
            else:
                raw = await asyncio.get_running_loop().run_in_executor(self._pool, self._predict, matrix.values)
        except _XgboostError as error:
            raise PredictionFailed(f"{call.model}: xgboost failed", private=str(error)) from error
        finally:
            call.trace.answered = now()
        outputs = self._description.outputs or ()
        by_output = np.ascontiguousarray(raw.reshape(call.rows, len(outputs)).T)
        scores = tuple(
            Column(output.name, output.type, values) for output, values in zip(outputs, by_output, strict=True)
        )
        return Outcome((Range(0, call.rows, scores),))

    async def close(self) -> None:
        """See `Backend.close`."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _measured_inline_rows(self) -> int:
        """How many rows are scored faster than a thread is worth."""
        for rows in (_BLOCK_ROWS, 1):
            row = np.full((rows, self._facts.features), np.nan, np.float32)
            times = []
            for _ in range(5):
                began = time.perf_counter()
                self._predict(row)
                times.append(time.perf_counter() - began)
            if min(times) <= _INLINE_S:
                return rows
        return 0


class _XgboostError(Exception):
    """What the engine said, which may hold input values."""


def _rounds(settings: ModelSettings, facts: ModelFacts) -> int:
    """How many rounds predict; 0 means all, as in xgboost."""
    trees = settings.xgboost.trees
    if facts.best_iteration is None:
        if trees == "best":
            raise BundleError("model.toml: xgboost.trees is 'best', but the model has no best iteration")
        return 0
    if trees is None:
        raise BundleError(
            f'the model has a best iteration ({facts.best_iteration}): say xgboost.trees = "all" or "best" in '
            "model.toml, the two give different scores"
        )
    return facts.best_iteration + 1 if trees == "best" else 0


def _why_not_lignum(settings: ModelSettings, facts: ModelFacts, rounds: int) -> str:
    """Why the booster itself predicts; nothing if lignum does."""
    if settings.engine.name == "xgboost":
        return "model.toml asks for the booster"
    if rounds:
        return "lignum predicts with all trees, and model.toml asks for the best"
    if not math.isnan(settings.xgboost.missing):
        return "lignum knows no other missing value than NaN"
    return facts.lignum_reason


def _describe(settings: ModelSettings, facts: ModelFacts, why_not_lignum: str) -> Description:
    row_wise = settings.row_wise is not False
    names = ["score"] if facts.outputs == 1 else [f"score_{index}" for index in range(facts.outputs)]
    return Description(
        features=features_of(facts, settings),
        outputs=tuple(Output(name, Type.FLOAT) for name in names),
        engine=f"xgboost {facts.version}" if why_not_lignum else f"lignum {facts.lignum}, for xgboost {facts.version}",
        engine_reason=why_not_lignum or "it gave the booster's bits on every trial row",
        row_wise=row_wise,
        row_wise_reason="" if row_wise else "its author says row_wise = false",
        chunk_rows=_CHUNK_ROWS,
        least_rows=_LEAST_ROWS,
    )


def _load_lignum(path: Path, rounds: int, missing: float) -> Callable[[Array], Array]:
    """The same by lignum, which was proven to give the booster's bits; all trees, NaN missing."""
    del rounds, missing
    model: Any = import_module("lignum").load(str(path))  # an extra

    def predict(rows: Array) -> Array:
        try:
            scores = model.predict(rows, n_jobs=1)
        except (ValueError, RuntimeError) as error:
            raise _XgboostError(str(error)) from error
        # Each score is a float32 that it hands out as a double.
        return np.asarray(scores, np.float32).ravel()

    return predict


def _load_booster(path: Path, rounds: int, missing: float) -> Callable[[Array], Array]:
    """A function from float32 rows, shape (rows, features), to the booster's scores, shape (rows * outputs,).

    It may be called from several threads at once; ctypes lets go of the interpreter meanwhile.
    """
    import xgboost  # noqa: PLC0415 - importing the bridge must not need it
    from xgboost import core  # noqa: PLC0415

    booster = xgboost.Booster(params={"nthread": 1}, model_file=str(path))
    library: Any = core._LIB  # noqa: SLF001 - the one loaded copy of the C library
    config = json.dumps(
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
            raise _XgboostError(library.XGBGetLastError().decode(errors="replace"))
        # The buffer belongs to the thread and its next call.
        return np.ctypeslib.as_array(result, (_product(shape[: dimensions.value]),)).copy()

    return predict


def _product(extents: Sequence[int]) -> int:
    return math.prod(extents)
