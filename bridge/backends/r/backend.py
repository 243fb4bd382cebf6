"""What the backends of R models share: sends columns to a worker, reads typed scores, makes R's faults the bridge's."""

from collections.abc import Callable, Sequence
from typing import Self, TypeVar

import numpy as np

from bridge.backends import Description, Tried, Warned
from bridge.backends.pooled import PooledBackend, predict_failure, typed_features, worker_lost
from bridge.backends.r.greeting import Greeting
from bridge.backends.r.worker import RWorker
from bridge.backends.rserve.connection import RemoteError
from bridge.backends.rserve.header import MAX_REPLY_BYTES, OUT_OF_REPLY_SPACE, R_ERROR
from bridge.backends.rserve.rvalues import RInt, RList, RLogical, RNull, RString, RValue, from_column, to_column
from bridge.backends.rserve.world import differences
from bridge.bundles.bundle import Bundle
from bridge.bundles.settings import ModelSettings
from bridge.calls import Call, Outcome, Range
from bridge.columns import Column, Table, Type
from bridge.errors import (
    BackendError,
    BundleError,
    MalformedPrediction,
    PredictionFailed,
    WorkerLost,
)
from bridge.features import conversions
from bridge.texts import printable
from bridge.workers.exchange import ConnectionLost, ProtocolError
from bridge.workers.pool import NoWorker, WorkerPool
from bridge.workers.spawner import Spawner
from bridge.workload import Workload

__all__ = ["RBackend"]

_W = TypeVar("_W", bound=RWorker)


class RBackend(PooledBackend[_W]):
    """Predicts for one version of an R model, which is resident in workers of its own.

    Attributes:
        pool: the version's workers, for monitoring; calls go through the backend.
    """

    def __init__(self, pool: WorkerPool[_W], workload: Workload, description: Description, *, framed: bool) -> None:
        super().__init__(pool, workload, description, conversions.R)
        # R knows the names of its function's arguments, so they need not be sent; those of a data frame's columns must.
        self._names = None if framed else tuple(feature.name for feature in description.features)

    @classmethod
    async def _open(cls, bundle: Bundle, made: Callable[[str], Spawner[_W]]) -> Self:
        """Starts R with this bundle, and waits until every worker can take calls.

        Args:
            bundle: the bundle of an R model.
            made: makes the spawner of the version's workers from the version's name.

        Raises:
            BundleError: R is not installed or the bundle does not load; the message says why.
        """
        settings = bundle.settings
        _check_declared(settings)
        workload = Workload(settings.workers)
        name = f"{bundle.path.parent.name}/{bundle.path.name}"
        pool = WorkerPool(made(name), name, settings, workload)
        first = await pool.start()
        try:
            return cls(pool, workload, _describe(bundle, first.greeting), framed=settings.input == "frame")
        except BaseException:
            await pool.close()
            raise

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """Scores a batch of a bundle that is being tried, with R's clock set forward by `days`; returns R's warnings.

        Raises:
            WorkerLost: the worker died, or no worker can be started.
            PredictionFailed: the R function raised.
            MalformedPrediction: the R function returned something else than one score for each row.
        """
        arguments = [*self._arguments(self._table(call)), RInt(np.array([days], np.int32))]
        value = await self._ask(call, arguments, trial=True)
        match value:
            case RList([RList() as answer, RString(texts), RLogical() as changes]):
                pairs = zip(texts, changes.values.tolist(), strict=True)
                warnings = tuple(Warned(text or "", bool(change)) for text, change in pairs)
                return Tried(self._outcome(call, answer), warnings)
        raise MalformedPrediction(f"{call.model}: the reply does not have the form that the gateway's R code sends")

    async def _predict(self, call: Call, table: Table) -> Outcome:
        return self._outcome(call, await self._ask(call, self._arguments(table)))

    def _arguments(self, table: Table) -> list[RValue]:
        names = tuple(column.name for column in table.columns)
        return [
            RInt(np.array([table.rows], np.int32)),
            RNull() if names == self._names else RString(names),
            RList([from_column(column, ordered=column.name in self._ordered) for column in table.columns]),
        ]

    async def _ask(self, call: Call, arguments: Sequence[RValue], *, trial: bool = False) -> RValue:
        try:
            async with self.pool.lease(call.trace, call.request_id) as worker:
                return await worker.call(arguments, trial=trial)
        except (NoWorker, ConnectionLost, ProtocolError) as error:
            raise worker_lost(call, "R", error) from error
        except RemoteError as error:
            raise _refused(call, error) from error

    def _outcome(self, call: Call, value: RValue) -> Outcome:
        return Outcome((Range(0, call.rows, self._read(call, value)),))

    def _read(self, call: Call, value: RValue) -> tuple[Column, ...]:
        match value:
            case RList([RInt(status), RString(names), RList(values)]) if status.tolist() == [0]:
                return self._outputs.held(call, _columns(call, names, values))
            case RList(
                [RInt(), RString([str(kind)]), RString([str(raised)]), RString([str(said)]), RString([str(warned)])]
            ):
                what = f"a condition of class '{printable(raised)}'"
                raise predict_failure(call, kind, (raised, what), said, warned)
        raise MalformedPrediction(f"{call.model}: the reply does not have the form that the gateway's R code sends")


def _describe(bundle: Bundle, greeting: Greeting) -> Description:
    settings = bundle.settings
    row_wise = bool(settings.row_wise or settings.row_by_row)
    framed = settings.input == "frame"
    features = settings.declared_features()
    if not framed:
        features = typed_features(greeting.features, settings, "argument of the predict function")
    return Description(
        features=features,
        outputs=settings.declared_outputs() or (bundle.manifest.outputs if bundle.manifest else None),
        proposed=() if framed else greeting.proposed,
        frame_features=() if framed else greeting.frame_features,
        engine=f"R {greeting.r_version}" + "".join(f", {package}" for package in greeting.packages),
        engine_reason="the bundle is an R model",
        row_wise=row_wise,
        row_wise_reason="" if row_wise else "its author does not say row_wise = true",
        notes=(*greeting.notes, *differences(settings.author, greeting.world)),
        texts=greeting.texts,
    )


def _check_declared(settings: ModelSettings) -> None:
    """Refuses types in `[features]` that only boosters have, and factors without levels.

    Raises:
        BundleError: a line has such a type, no type, or is a factor without levels.
    """
    for feature in settings.declared_features():
        if feature.type is Type.INT64 or (feature.type is Type.INT and (feature.levels or feature.by_codes)):
            remedy = "say 'double', which holds whole numbers to 2^53, or a factor"
            what = f"'{feature.name}' is int64 or has numbers as levels, which R does not have"
            raise BundleError(f"model.toml: [features]: {what}: {remedy}")
        if feature.type is None or (feature.type is Type.FACTOR and not feature.levels):
            raise BundleError(f"model.toml: [features] has no type or no levels of '{feature.name}': R needs them")


def _refused(call: Call, error: RemoteError) -> BackendError:
    if error.status == R_ERROR:
        return PredictionFailed(f"{call.model}: R left the predict function without a condition, as abort does")
    if error.status == OUT_OF_REPLY_SPACE:
        limit = f"{MAX_REPLY_BYTES >> 20} MiB"
        return MalformedPrediction(f"{call.model}: the prediction is larger than a reply may be, {limit}", limit=limit)
    return WorkerLost(f"{call.model}: {error}")


def _columns(call: Call, names: Sequence[str | None], values: Sequence[RValue]) -> tuple[Column, ...]:
    try:
        columns = tuple(to_column(name or "", value) for name, value in zip(names, values, strict=True))
    except ValueError as error:
        raise MalformedPrediction(f"{call.model}: {error}") from error
    for column in columns:
        if len(column) != call.rows:
            raise MalformedPrediction(f"{call.model}: {len(column)} scores for {call.rows} rows")
    return columns
