"""The interface of every backend, and what a backend tells of its model; `choice` picks the backend for a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.bundles.settings import CHUNK_ROWS
from bridge.calls import Call, Outcome, Output
from bridge.columns import Batch
from bridge.features.feature import Feature
from bridge.workers.snapshot import Snapshot
from bridge.workload import Workload

__all__ = ["NICENESS", "Backend", "BoosterFacts", "Description", "Tried", "Warned"]

# Niceness of everything that computes beside the event loop: a loop that has to wait for a core answers late. In a soak
# that keeps two cores busy, the loop was held up by over 3 ms 400 times a minute with niceness 5, 230 times with 10.
NICENESS = 10


@dataclass(frozen=True, slots=True)
class BoosterFacts:
    """Facts of an xgboost model file, to be shown to people.

    Attributes:
        booster: "gbtree", "dart" or "gblinear".
        objective: the objective that it was trained for, by xgboost's name.
        rounds: the number of boosting rounds in the file.
        rounds_used: the number of rounds that predict.
        best_iteration: the round that early stopping found best, 0-based; None without early stopping.
        saved_by: the version of xgboost that saved the file; empty if the file does not say.
        newer_file: whether a newer xgboost than the installed one saved the file.
        base_margin: the name of the column of base margins; empty if there is none.
    """

    booster: str
    objective: str
    rounds: int
    rounds_used: int
    best_iteration: int | None
    saved_by: str
    newer_file: bool
    base_margin: str


@dataclass(frozen=True, slots=True)
class Description:
    """Facts of a loaded model.

    Attributes:
        features: the features, in the model's own order.
        outputs: the names and types of the outputs; None while they are not known (no golden rows, no `[features]`, no
            call yet).
        proposed: the features with the types that the model's own terms give them, as a proposal for `[features]`; may
            be empty.
        engine: the program that computes the scores, such as "xgboost 3.2.0" or "R 4.2.2".
        engine_reason: why this engine computes and not another.
        row_wise: whether a row's score does not depend on the rows beside it, so that batches may be cut and coalesced.
        row_wise_reason: why the model is not row-wise, in words; empty if it is.
        chunk_rows: the most rows that are worth one execution.
        least_rows: the fewest rows that are worth an execution of their own; no chunk is cut smaller.
        booster: the facts of the model file, for an xgboost model; None for others.
        notes: further sentences for whoever deploys the model.
        trial_row: a row that the model can score; None where a row made up from its features will do.
        texts: for features that are text, values that the model knows, from which rows can be made up.
        frame_features: for a function of one argument, the features that the bundle's own models were fitted on: all
            required, with type None where the models do not say. They would be `[features]` if the argument were a data
            frame. Empty where it can't be one, and where `input = "frame"` says that it is.
        loading_warnings: what libraries warned of while the bundle was loaded, where it may mean other scores.
    """

    features: tuple[Feature, ...]
    outputs: tuple[Output, ...] | None
    proposed: tuple[Feature, ...] = ()
    engine: str = ""
    engine_reason: str = ""
    row_wise: bool = False
    row_wise_reason: str = ""
    chunk_rows: int = CHUNK_ROWS
    least_rows: int = 1_000
    booster: BoosterFacts | None = None
    notes: tuple[str, ...] = ()
    trial_row: Batch | None = None
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    frame_features: tuple[Feature, ...] = ()
    loading_warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning that the model's language gave during a trial.

    Attributes:
        text: the warning on one line; it may hold values of the rows.
        changes_data: whether the model went on with other data than it was given, such as a missing value for a text
            that is not a number.
    """

    text: str
    changes_data: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of a trial.

    Attributes:
        outcome: the outcome of the rows.
        warnings: the warnings that the model gave.
        left: what the call has left behind in its worker, so that the worker is replaced, in words; empty if nothing.
    """

    outcome: Outcome
    warnings: tuple[Warned, ...] = ()
    left: str = ""


class Backend(Protocol):
    """Predicts for one resident version of one model."""

    @property
    def description(self) -> Description:
        """The facts of the loaded model."""

    @property
    def workload(self) -> Workload:
        """How many calls the backend can run at once, and how busy it is."""

    def snapshot(self) -> Snapshot | None:
        """Returns the state of the processes that predict; None where this process predicts itself."""

    def bind(self, batch: Batch, *, alone: bool = False) -> Batch:
        """Returns the caller's rows as this model takes them: its columns, in its order, of its types.

        Args:
            batch: the rows as the caller sent them.
            alone: whether a value that the model can't take costs only its row, which is marked as unfit and must not
                be scored. If not, one such value refuses the whole batch.

        Raises:
            InvalidRequest: the batch does not fit; the message names the column, row, type or limit. No worker was
                asked.
        """

    async def score(self, call: Call) -> Outcome:
        """Scores a bound, non-empty batch as one range, or raises; the call's trace gets the times.

        Cancelling returns at once. An execution that still runs is finished or killed in the background, and its answer
        is dropped.

        Raises:
            BackendError: the model or its worker failed.
        """

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """Scores a batch as `score` does, and returns the warnings too; for a bundle that is being tried.

        Args:
            call: a call with a bound, non-empty batch.
            days: by how many days the model's clock is set forward for this call; ignored by a model without a clock.

        Raises:
            BackendError: the model or its worker failed.
        """

    async def close(self) -> None:
        """Frees all processes, threads and files of this version; idempotent."""
