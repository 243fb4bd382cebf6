"""What the backends of all languages with workers share: rows bound to the features, one worker a call, its loss."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from bridge.backends import Description
from bridge.backends.pinned_outputs import PinnedOutputs
from bridge.bundles.settings import ModelSettings
from bridge.calls import Call, Outcome
from bridge.columns import Batch, Table
from bridge.errors import BackendError, BundleError, MalformedPrediction, PredictionFailed, WorkerLost
from bridge.features.binding import Binding
from bridge.features.conversions import Conversions
from bridge.features.feature import Feature, by_name
from bridge.features.kept_types import KeptTypes
from bridge.workers.exchange import ConnectionLost, ProtocolError
from bridge.workers.pool import NoWorker, WorkerPool
from bridge.workers.snapshot import Snapshot
from bridge.workers.spawner import PooledWorker
from bridge.workload import Workload

__all__ = ["PooledBackend", "predict_failure", "typed_features", "worker_lost"]

_W = TypeVar("_W", bound=PooledWorker)


class PooledBackend(ABC, Generic[_W]):
    """Predicts for one version of a model, which is resident in workers of its own.

    Attributes:
        pool: the version's workers, for monitoring; calls go through the backend.
    """

    def __init__(
        self, pool: WorkerPool[_W], workload: Workload, description: Description, conversions: Conversions
    ) -> None:
        self.pool = pool
        self._workload = workload
        self._description = description
        self._outputs = PinnedOutputs(description.outputs)
        self._binding = Binding(description.features, conversions)
        self._kept_types = KeptTypes(description.features)
        self._ordered = frozenset(feature.name for feature in description.features if feature.ordered)

    @property
    def description(self) -> Description:
        """The facts of the loaded model."""
        return self._description

    @property
    def workload(self) -> Workload:
        """How many calls the workers can run at once, and how busy they are."""
        return self._workload

    def snapshot(self) -> Snapshot:
        """Returns the state of the version's workers."""
        return self.pool.snapshot()

    def bind(self, batch: Batch, *, alone: bool = False) -> Table:
        """Returns the caller's rows as columns in the order and types of the features; raises InvalidRequest.

        With `alone`, a value that the model can't take marks its row as unfit instead of refusing the batch.
        """
        return self._kept_types.fill(self._binding.bind(batch, alone=alone), batch)

    async def score(self, call: Call) -> Outcome:
        """Scores a bound batch on one worker, and returns it as one range; cancelling returns at once.

        Raises:
            WorkerLost: the worker died, or no worker can be started.
            PredictionFailed: the model's function raised.
            MalformedPrediction: the model's function returned something else than one score for each row.
        """
        table = self._table(call)
        outcome = await self._predict(call, table)
        if call.caller:  # made-up rows have types that no caller has sent, and must not be remembered
            self._kept_types.keep(table)
        return outcome

    async def close(self) -> None:
        """Ends every process of this version and removes their files; idempotent."""
        await self.pool.close()

    def _table(self, call: Call) -> Table:
        return call.batch if isinstance(call.batch, Table) else self.bind(call.batch)

    @abstractmethod
    async def _predict(self, call: Call, table: Table) -> Outcome:
        """Asks a worker for the scores of bound rows; raises as `score` does."""


def typed_features(features: Sequence[Feature], settings: ModelSettings, role: str) -> tuple[Feature, ...]:
    """Returns the features of a function with the types that `[features]` declares for them.

    Args:
        features: the features, as the function's parameters name them.
        settings: the model's settings.
        role: what a feature is to the function, for the message.

    Raises:
        BundleError: `[features]` names something else.
    """
    declared = by_name(settings.declared_features())
    if unknown := sorted(set(declared) - {feature.name for feature in features}):
        raise BundleError(f"model.toml: [features] names '{unknown[0]}', which is no {role}")
    return tuple(
        replace(declared[feature.name], required=feature.required) if feature.name in declared else feature
        for feature in features
    )


def predict_failure(call: Call, kind: str, raised: tuple[str, str], said: str, warned: str) -> BackendError:
    """Returns the error for a worker's answer without scores.

    Args:
        call: the call that was asked.
        kind: "malformed" for an answer that is not one score for each row; any other means that the function raised.
        raised: the class that the function raised, and that in the language's words, for the message.
        said: the message of what was raised, or for "malformed" a sentence of the gateway's code in the worker.
        warned: what the function warned of; empty if it did not warn.
    """
    name, what = raised
    if kind == "malformed":
        return MalformedPrediction(f"{call.model}: {said}", private=warned, condition_class=name)
    return PredictionFailed(
        f"{call.model}: the predict function raised {what}",
        private=f"{said} ({warned})" if warned else said,
        condition_class=name,
    )


def worker_lost(call: Call, language: str, error: NoWorker | ConnectionLost | ProtocolError) -> WorkerLost:
    """Returns the error for a call whose worker is gone, or for which there is none."""
    from_outside = isinstance(error, ConnectionLost) and error.from_outside
    how = "it was killed from outside, as the kernel does where memory is short" if from_outside else error
    lost = WorkerLost(f"{call.model}: the {language} worker was lost after {call.elapsed_s():.3f} s: {how}")
    lost.from_outside = from_outside
    return lost
