"""The backend of xgboost models: predicts in the gateway's process, over a fixed thread pool.

Numbers that a `DMatrix` refuses (Inf, numbers too large for float32) are refused here too, although prediction in place
would take them: so every served call can be scored again.
"""

import asyncio
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np

from bridge.backends import NICENESS, BoosterFacts, Description, Tried
from bridge.backends.xgboost.compiled import compiled_trees
from bridge.backends.xgboost.engines import (
    EngineFailed,
    Prediction,
    faster_of,
    inline_rows,
    load_booster,
    load_lignum,
    load_through_matrix,
)
from bridge.backends.xgboost.facts import Asked, ModelFacts
from bridge.backends.xgboost.features import features_of, lacks_levels, proposed_lines
from bridge.backends.xgboost.matrix import Matrices
from bridge.backends.xgboost.model import inspect
from bridge.backends.xgboost.outputs import Outputs
from bridge.bundles.bundle import Bundle
from bridge.bundles.settings import ModelSettings
from bridge.calls import Call, Outcome, Range, now
from bridge.columns import Array, Batch, Column, Matrix
from bridge.errors import BundleError, PredictionFailed
from bridge.private_folders import private_folder
from bridge.texts import shortened
from bridge.threads import Threads
from bridge.workload import Workload

__all__ = ["XgboostBackend"]

_CHUNK_ROWS = 8192  # a cancelled call keeps a thread busy with one chunk at most
_LEAST_ROWS = 256
_MOST_MESSAGE = 2000  # characters; the gateway's R code keeps as many

_Scores = Callable[[Array], tuple[Column, ...]]


class XgboostBackend:
    """Predicts for one version of an xgboost model, which is resident in this process."""

    def __init__(self, scores: _Scores, bundle: Bundle, matrices: Matrices, description: Description) -> None:
        self._scores = scores
        self._workload = Workload(bundle.settings.workers)
        self._pool = Threads(self._workload.workers, _give_way)
        self._description = description
        self._matrices = matrices
        self._inline_rows = inline_rows(scores, len(description.features))

    @classmethod
    async def open(cls, bundle: Bundle, cache_dir: Path | None = None) -> Self:
        """Loads the booster, after a child process has loaded the file without a crash.

        Args:
            bundle: the bundle with the model file.
            cache_dir: the folder where compiled trees are kept; None compiles none.

        Raises:
            BundleError: the file is damaged, xgboost is not installed, or the settings do not fit the model.
        """
        settings = bundle.settings
        asked = Asked.by(settings, newer_file=bundle.accepts_newer_file)
        facts = await inspect(bundle.model_file, settings.load_timeout_s, asked)
        if facts.lignum_reason and settings.engine.name == "lignum":
            raise BundleError(f"model.toml: engine.name is 'lignum', but {facts.lignum_reason}")
        with private_folder("xgboost") as work:  # what was loaded from it stays mapped
            library = None
            if not facts.lignum_reason:
                library = await compiled_trees(bundle.model_file, facts, cache_dir, work)
            return await asyncio.to_thread(cls._load_engine, bundle, facts, asked, library)

    @classmethod
    def _load_engine(cls, bundle: Bundle, facts: ModelFacts, asked: Asked, library: Path | None) -> Self:
        """Loads the engine; blocks while it reads files and measures speeds, so it runs in a thread."""
        settings = bundle.settings
        features = features_of(facts, settings)
        names = tuple(feature.name for feature in features[: facts.features])
        outputs = Outputs(facts, settings, names)
        engine, reason, predict = _engine(bundle, facts, asked, library)
        description = Description(
            features=features,
            outputs=outputs.described,
            proposed=proposed_lines(facts, features),
            engine=engine,
            engine_reason=reason,
            row_wise=settings.row_wise is not False,
            row_wise_reason="" if settings.row_wise is not False else "its author says row_wise = false",
            chunk_rows=_CHUNK_ROWS,
            least_rows=_LEAST_ROWS,
            booster=_booster(facts, settings),
            # Zero is a code of every category. A matrix is needed, because a table can't hold codes of unknown levels.
            trial_row=Matrix((), np.zeros((1, len(features)), np.float32)) if lacks_levels(facts, features) else None,
            notes=(*facts.notes, *_proposals(facts, settings)),
        )
        return cls(lambda rows: outputs.columns(predict(rows)), bundle, Matrices(facts, features), description)

    @property
    def description(self) -> Description:
        """The facts of the loaded model."""
        return self._description

    @property
    def workload(self) -> Workload:
        """How many calls the threads can run at once, and how busy they are."""
        return self._workload

    def snapshot(self) -> None:
        """Returns None: the model is in this process."""

    def bind(self, batch: Batch, *, alone: bool = False) -> Matrix:
        """Returns the caller's rows as the booster takes them, a float32 matrix in its order; raises InvalidRequest.

        With `alone`, a value that the model can't take marks its row as unfit instead of refusing the batch.
        """
        return self._matrices.bind(batch, alone=alone)

    async def score(self, call: Call) -> Outcome:
        """Scores a bound batch and returns it as one range; cancelling returns at once.

        Raises:
            PredictionFailed: xgboost or lignum failed.
        """
        matrix = call.batch if isinstance(call.batch, Matrix) else self.bind(call.batch)
        sent = now()
        call.trace.ask(sent, sent)
        try:
            if call.rows <= self._inline_rows:
                columns = self._scores(matrix.values)
            else:
                columns = await asyncio.get_running_loop().run_in_executor(self._pool, self._scores, matrix.values)
        except EngineFailed as error:
            said = shortened(str(error), _MOST_MESSAGE)
            raise PredictionFailed(
                f"{call.model}: xgboost failed", private=said, condition_class=error.condition_class
            ) from error
        finally:
            call.trace.answered = now()
        return Outcome((Range(0, call.rows, columns),))

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """Scores a batch of a bundle that is being tried; there are no warnings, and no clock to set forward."""
        del days
        return Tried(await self.score(call))

    async def close(self) -> None:
        """Ends the threads; idempotent."""
        self._pool.shutdown()


def _give_way() -> None:
    # On Linux each thread has a priority of its own, so this lowers the calling thread's alone.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _engine(
    bundle: Bundle, facts: ModelFacts, asked: Asked, library: Path | None
) -> tuple[str, str, Callable[[Array], Prediction]]:
    """Returns the engine's name, why it was chosen, and the function that predicts with it."""
    path, version = bundle.model_file, f"xgboost {facts.version}"
    if not facts.in_place:
        return version, facts.way_reason, load_through_matrix(path, facts, asked)
    predict = load_booster(path, facts.rounds_used, facts.missing, margin=asked.margin)
    if facts.lignum_reason:
        return version, facts.lignum_reason, lambda rows: Prediction(predict(rows))
    reason = "it gave the booster's bits on every trial row"
    fast = load_lignum(path, library, facts.objective)
    if bundle.settings.engine.name == "auto":
        fast, limit = faster_of(fast, predict, facts.features)
        if limit == 0:
            slower = "lignum gave the booster's bits on every trial row, but the booster is faster"
            return version, slower, lambda rows: Prediction(predict(rows))
        reason += f"; more than {limit} rows are faster in the booster, which scores them" if limit else ""
    engine = f"lignum {facts.lignum}{' compiled' if library else ''}, for {version}"
    return engine, reason, lambda rows: Prediction(fast(rows))


def _booster(facts: ModelFacts, settings: ModelSettings) -> BoosterFacts:
    return BoosterFacts(
        booster=facts.booster,
        objective=facts.objective,
        rounds=facts.rounds,
        rounds_used=facts.rounds_used or facts.rounds,
        best_iteration=facts.best_iteration,
        saved_by=facts.saved_by,
        newer_file=facts.newer_file,
        base_margin=settings.xgboost.base_margin or "",
    )


def _proposals(facts: ModelFacts, settings: ModelSettings) -> list[str]:
    """Returns notes that propose lines for model.toml, from what the sklearn wrapper left in the file."""
    labels = facts.labels
    if labels == [str(number) for number in range(len(labels))]:
        return []  # the classes are numbered and have no names
    if settings.xgboost.output_names or len(labels) not in (facts.outputs, 2 if facts.outputs == 1 else 0):
        return []
    listed = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels)
    return [f"the sklearn wrapper's class labels, for model.toml's [xgboost]: output_names = [{listed}]"]
