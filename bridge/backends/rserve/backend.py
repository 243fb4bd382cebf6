"""R models: columns to a worker, its answer to typed scores, and the one place that translates R's faults."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from bridge.backends import Description
from bridge.backends.rserve.connection import ConnectionLost, RemoteError
from bridge.backends.rserve.pool import OUT_OF_REPLY_SPACE, R_ERROR, WorkerPool
from bridge.backends.rserve.qap import ProtocolError
from bridge.backends.rserve.rvalues import RInt, RList, RNull, RString, RValue, from_column, to_column
from bridge.backends.rserve.worker import Greeting
from bridge.bundle import Bundle
from bridge.calls import Call, Outcome, Output, Range
from bridge.columns import Batch, Column, Table, Type, all_missing, says_nothing
from bridge.errors import (
    BackendError,
    BundleError,
    MalformedPrediction,
    OtherOutputs,
    PredictionFailed,
    WorkerLost,
)
from bridge.features import Binding, Feature, by_name
from bridge.load import Load
from bridge.model_settings import ModelSettings

__all__ = ["RserveBackend"]


class RserveBackend:
    """One version of an R model, resident in an Rserve of its own."""

    def __init__(self, pool: WorkerPool, load: Load, description: Description) -> None:
        self._pool = pool
        self._load = load
        self._description = description
        self._names = tuple(feature.name for feature in description.features)
        self._ordered = frozenset(feature.name for feature in description.features if feature.ordered)
        self._outputs = description.outputs
        self._binding = Binding(description.features)

    @classmethod
    async def open(cls, bundle: Bundle) -> Self:
        """Starts R with this bundle and waits until every worker is warm.

        Raises:
            BundleError: R or the bundle can't do it; the sentence says why.
        """
        _check_declared(bundle.settings)
        load = Load(bundle.settings.workers)
        pool = WorkerPool(bundle.path, bundle.digest, bundle.settings, load)
        greeting = await pool.start()
        try:
            return cls(pool, load, _describe(bundle, greeting))
        except BaseException:
            await pool.close()
            raise

    @property
    def description(self) -> Description:
        """What the model says of itself."""
        return self._description

    @property
    def load(self) -> Load:
        """See `Backend.load`."""
        return self._load

    def bind(self, batch: Batch) -> Table:
        """See `Backend.bind`."""
        return self._binding.bind(batch)

    async def score(self, call: Call) -> Outcome:
        """See `Backend.score`."""
        table = self.bind(call.batch) if not isinstance(call.batch, Table) else call.batch
        names = tuple(column.name for column in table.columns)
        arguments: list[RValue] = [
            RInt(np.array([table.rows], np.int32)),
            RNull() if names == self._names else RString(names),
            RList([from_column(column, ordered=column.name in self._ordered) for column in table.columns]),
        ]
        try:
            value = await self._pool.call(arguments, call.trace)
        except (ConnectionLost, ProtocolError) as error:
            raise _lost(call, error) from error
        except RemoteError as error:
            raise _refused(call, error) from error
        return Outcome((Range(0, call.rows, self._read(call, value)),))

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._pool.close()

    def _read(self, call: Call, value: RValue) -> tuple[Column, ...]:
        match value:
            case RList([RInt(status), RString(names), RList(values)]) if status.tolist() == [0]:
                return self._pinned(call, _columns(call, names, values))
            case RList([RInt(), RString([str(kind)]), RString([str(condition)]), RString([str(message)])]):
                if kind == "malformed":
                    raise MalformedPrediction(f"{call.model}: {message}")
                raise PredictionFailed(
                    f"{call.model}: the predict function raised a condition of class '{condition}'", private=message
                )
        raise MalformedPrediction(f"{call.model}: the reply is none of the R side's own")

    def _pinned(self, call: Call, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The scores, if they are of the names and types that every answer of this version has."""
        if self._outputs is None:
            if not any(says_nothing(column) for column in columns):
                self._outputs = tuple(Output(column.name, column.type) for column in columns)
            return columns
        if [column.name for column in columns] != [output.name for output in self._outputs]:
            raise OtherOutputs(
                f"{call.model}: the outputs are {_quoted(columns)}, and must be {_quoted(self._outputs)}"
            )
        return tuple(_of_type(call, column, output) for column, output in zip(columns, self._outputs, strict=True))


def _describe(bundle: Bundle, greeting: Greeting) -> Description:
    settings = bundle.settings
    row_wise = bool(settings.row_wise)
    return Description(
        features=_typed_features(greeting.features, settings),
        outputs=settings.declared_outputs() or (bundle.manifest.outputs if bundle.manifest else None),
        proposed=greeting.proposed,
        engine=f"R {greeting.r_version}" + "".join(f", {package}" for package in greeting.packages),
        engine_reason="the bundle is an R model",
        row_wise=row_wise,
        row_wise_reason="" if row_wise else "its author does not say row_wise = true",
    )


def _check_declared(settings: ModelSettings) -> None:
    """What `[features]` may say of a booster's categories, R has no word for.

    Raises:
        BundleError: a line is of a type that R does not have, or of a factor without levels.
    """
    for feature in settings.declared_features():
        if feature.type is Type.INT64 or (feature.type is Type.INT and (feature.levels or feature.by_codes)):
            remedy = "say 'double', which holds whole numbers to 2^53, or a factor"
            raise BundleError(f"model.toml: [features] says int64 or levels of numbers of '{feature.name}': {remedy}")
        if feature.type is None or (feature.type is Type.FACTOR and not feature.levels):
            raise BundleError(f"model.toml: [features] has no type or no levels of '{feature.name}': R needs them")


def _typed_features(features: tuple[Feature, ...], settings: ModelSettings) -> tuple[Feature, ...]:
    declared = by_name(settings.declared_features())
    if unknown := sorted(set(declared) - {feature.name for feature in features}):
        raise BundleError(f"model.toml: [features] names '{unknown[0]}', which is no argument of the predict function")
    return tuple(
        replace(declared[feature.name], required=feature.required) if feature.name in declared else feature
        for feature in features
    )


def _lost(call: Call, error: ConnectionLost | ProtocolError) -> WorkerLost:
    from_outside = isinstance(error, ConnectionLost) and error.from_outside
    how = "it was killed from outside, as the kernel ends what it has no memory for" if from_outside else error
    lost = WorkerLost(f"{call.model}: the R worker was lost after {call.elapsed_s():.3f} s: {how}")
    lost.from_outside = from_outside
    return lost


def _refused(call: Call, error: RemoteError) -> BackendError:
    if error.status == R_ERROR:
        return PredictionFailed(
            f"{call.model}: R raised outside of the predict function, or a condition that is not of class 'error'"
        )
    if error.status == OUT_OF_REPLY_SPACE:
        return MalformedPrediction(f"{call.model}: the prediction is larger than a reply may be", limit="128 MiB")
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


def _of_type(call: Call, column: Column, output: Output) -> Column:
    if column.type is output.type:
        return column
    if says_nothing(column):
        return all_missing(output.name, output.type, len(column))
    raise OtherOutputs(f"{call.model}: the output '{column.name}' is {column.type}, and must be {output.type}")


def _quoted(named: tuple[Column, ...] | tuple[Output, ...]) -> str:
    return ", ".join(f"'{one.name}'" for one in named)
