"""xgboost models: scored in process by the booster itself, over a fixed thread pool.

What it accepts and `DMatrix` refuses (Inf, numbers too large for float32) is refused here too, so
that whatever was served can be scored again.
"""

import asyncio
import math
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np

from bridge.backends import NICENESS, Description
from bridge.backends.xgboost_engines import EngineFailed, Predict, faster_of, inline_rows, load_booster, load_lignum
from bridge.backends.xgboost_matrix import Matrices, features_of
from bridge.backends.xgboost_model import ModelFacts, inspect
from bridge.bundle import Bundle
from bridge.calls import Call, Outcome, Output, Range, now
from bridge.columns import Array, Batch, Column, Matrix, Type
from bridge.errors import BundleError, PredictionFailed
from bridge.leftovers import make_folder
from bridge.load import Load
from bridge.model_settings import ModelSettings

__all__ = ["XgboostBackend"]

_CHUNK_ROWS = 8192  # what a cancelled call keeps a thread busy with at most
_LEAST_ROWS = 256


class XgboostBackend:
    """One version of an xgboost model, resident in this process."""

    def __init__(self, predict: Predict, bundle: Bundle, facts: ModelFacts, engine: str, reason: str) -> None:
        self._predict = predict
        self._load = Load(bundle.settings.workers)
        self._pool = ThreadPoolExecutor(self._load.workers, thread_name_prefix="xgboost", initializer=_give_way)
        self._description = _describe(bundle.settings, facts, engine, reason)
        self._matrices = Matrices(facts, self._description.features, bundle.settings.xgboost.missing)
        self._inline_rows = inline_rows(predict, facts.features)

    @classmethod
    async def open(cls, bundle: Bundle) -> Self:
        """Loads the booster, after a process of its own has shown that the file can be.

        Raises:
            BundleError: the file is damaged, xgboost is missing, or the settings do not fit the model.
        """
        settings = bundle.settings
        folder = make_folder("xgboost")
        try:
            library = folder / "trees.so"
            facts = await inspect(bundle.model_file, settings.load_timeout_s, library)
            rounds = _rounds(settings, facts)
            reason = _why_not_lignum(settings, facts, rounds)
            if reason and settings.engine.name == "lignum":
                raise BundleError(f"model.toml: engine.name is 'lignum', but {reason}")
            compiled = library if facts.lignum_compiled else None
            return await asyncio.to_thread(cls._load_engine, bundle, facts, rounds, reason, compiled)
        finally:
            shutil.rmtree(folder)  # the library stays mapped

    @classmethod
    def _load_engine(
        cls, bundle: Bundle, facts: ModelFacts, rounds: int, why_not_lignum: str, library: Path | None
    ) -> Self:
        """Blocks while it reads the files and measures."""
        settings, path = bundle.settings, bundle.model_file
        booster = f"xgboost {facts.version}"
        if why_not_lignum:
            return cls(load_booster(path, rounds, settings.xgboost.missing), bundle, facts, booster, why_not_lignum)
        engine = f"lignum {facts.lignum}{' compiled' if library else ''}, for {booster}"
        reason = "it gave the booster's bits on every trial row"
        predict = load_lignum(path, library, facts.objective)
        if settings.engine.name == "auto":
            predict, limit = faster_of(predict, load_booster(path, rounds, settings.xgboost.missing), facts.features)
            reason += f"; more than {limit} rows are faster in the booster, which scores them" if limit else ""
        return cls(predict, bundle, facts, engine, reason)

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
        except EngineFailed as error:
            raise PredictionFailed(f"{call.model}: xgboost failed", private=str(error)) from error
        finally:
            call.trace.answered = now()
        return Outcome((Range(0, call.rows, self._columns(raw)),))

    def _columns(self, raw: Array) -> tuple[Column, ...]:
        """The scores by output; xgboost gives them row by row."""
        outputs = self._description.outputs or ()
        by_output = [raw] if len(outputs) == 1 else np.ascontiguousarray(raw.reshape(-1, len(outputs)).T)
        return tuple(
            Column(output.name, output.type, values) for output, values in zip(outputs, by_output, strict=True)
        )

    async def close(self) -> None:
        """See `Backend.close`."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    # Linux has a priority for each thread.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


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


def _describe(settings: ModelSettings, facts: ModelFacts, engine: str, reason: str) -> Description:
    row_wise = settings.row_wise is not False
    names = ["score"] if facts.outputs == 1 else [f"score_{index}" for index in range(facts.outputs)]
    return Description(
        features=features_of(facts, settings),
        outputs=tuple(Output(name, Type.FLOAT) for name in names),
        engine=engine,
        engine_reason=reason,
        row_wise=row_wise,
        row_wise_reason="" if row_wise else "its author says row_wise = false",
        chunk_rows=_CHUNK_ROWS,
        least_rows=_LEAST_ROWS,
    )
