"""What predicts, apart from the bridge, which scores: what every backend must be; `choice` picks one for a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.bundles.settings import CHUNK_ROWS
from bridge.calls import Call, Outcome, Output
from bridge.columns import Batch
from bridge.features.feature import Feature
from bridge.workload import Workload

__all__ = ["NICENESS", "Backend", "BoosterFacts", "Description", "Tried", "Warned"]

# Of all that computes, beside the loop that answers: one that has to wait for a core while others compute would answer
# late. In a soak that keeps two cores busy, the loop was held up by over 3 ms 400 times a minute with 5, 230 with 10.
NICENESS = 10


@dataclass(frozen=True, slots=True)
class BoosterFacts:
    """What an xgboost model file says of itself, for people.

    Attributes:
        booster: "gbtree", "dart" or "gblinear".
        objective: what it was trained for, by xgboost's name.
        rounds: how many it was boosted for.
        rounds_used: how many of them predict.
        best_iteration: the round that early stopping found best, 0-based; None if it was trained without.
        saved_by: the version of xgboost that saved the file; empty if the file does not say.
        newer_file: that version is newer than the xgboost that is installed.
        base_margin: the column that is the margin a row starts from; empty if there is none.
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
    """What a loaded model says of itself.

    Attributes:
        features: in the model's own order.
        outputs: names and types; None while nobody knows them (no golden rows, no `[features]`, no call yet).
        proposed: the features as the model's own terms would type them, for whoever writes `[features]`; may be empty.
        engine: what computes the scores, such as "xgboost 3.2.0" or "R 4.2.2".
        engine_reason: why that engine and not another.
        row_wise: a row's score does not depend on the rows beside it, so batches may be cut and joined.
        row_wise_reason: why not, in words, where it is not.
        chunk_rows: the most rows that are worth one execution.
        least_rows: fewer are not worth an execution of their own, so a batch is cut into no smaller chunks.
        booster: of an xgboost model: what its file says of itself.
        notes: what else whoever deploys it should read.
        trial_row: one that it can score; None where a row made up of its features is as good.
        texts: of features that are text: values that the model knows, to make up rows of.
        frame_features: of an R function of one argument: what the bundle's own models were fitted on, all required,
            types None where they do not say. They would be `[features]` if that argument were a data frame; empty
            where it can be none, and where `input = "frame"` says so already.
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


@dataclass(frozen=True, slots=True)
class Warned:
    """What the model's language warned of while rows were tried.

    Attributes:
        text: on one line; may hold values of the rows.
        changes_data: it went on with other data than it was given, such as missing for a text that is no number.
    """

    text: str
    changes_data: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of rows that were tried."""

    outcome: Outcome
    warnings: tuple[Warned, ...] = ()


class Backend(Protocol):
    """One resident version of one model."""

    @property
    def description(self) -> Description:
        """What the model says of itself."""

    @property
    def workload(self) -> Workload:
        """How many calls it can run at once, and how many it still runs for nobody."""

    def bind(self, batch: Batch, *, alone: bool = False) -> Batch:
        """The caller's rows as this model takes them: its columns, in its order, of its types.

        Args:
            batch: as it came.
            alone: rows with a value that the model can't take are unfit, and nobody may score them; else they refuse
                the batch.

        Raises:
            InvalidRequest: names the column, row, type or limit that is wrong. No worker is touched.
        """

    async def score(self, call: Call) -> Outcome:
        """Scores a bound, non-empty batch: all of it, in one range, or nothing; the call's trace says what it took.

        Cancelling returns at once; what still runs is finished or killed in the background and its answer dropped.

        Raises:
            BackendError: the model or its worker failed.
        """

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """Scores a batch like `score`, of a bundle that is being tried.

        Args:
            call: with a bound, non-empty batch.
            days: how far the model's clock is set forward meanwhile; what has no clock of its own ignores it.

        Raises:
            BackendError: the model or its worker failed.
        """

    async def close(self) -> None:
        """Frees every process, thread and file of this version; idempotent."""
