"""Predicts with a Python function: sends columns to a worker, reads typed scores, makes its faults the bridge's."""

import asyncio
from typing import Any, Self

from scorebridge.runner import messages
from scorebridge.runner.vectors import Vector

from bridge.backends import Description, Tried, Warned
from bridge.backends.pooled import PooledBackend, predict_failure, typed_features, worker_lost
from bridge.backends.python.connection import Message
from bridge.backends.python.greeting import Greeting
from bridge.backends.python.interpreters import interpreter_of
from bridge.backends.python.requirements import check_requirements
from bridge.backends.python.spawner import PythonSpawner
from bridge.backends.python.worker import Worker
from bridge.bundles.bundle import Bundle
from bridge.bundles.settings import ModelSettings
from bridge.bundles.world import require_timezone
from bridge.calls import Call, Outcome, Range
from bridge.columns import Column, Table, Type
from bridge.errors import BackendError, BundleError, MalformedPrediction
from bridge.features import conversions
from bridge.texts import printable
from bridge.workers.exchange import ConnectionLost, ProtocolError
from bridge.workers.pool import NoWorker, WorkerPool
from bridge.workers.programs import Programs
from bridge.workload import Workload

__all__ = ["PythonBackend"]


class PythonBackend(PooledBackend[Worker]):
    """Predicts for one version of a Python model, which is resident in workers of its own.

    Attributes:
        pool: the version's workers, for monitoring; calls go through the backend.
    """

    @classmethod
    async def open(cls, bundle: Bundle, programs: Programs) -> Self:
        """Starts the bundle's interpreter, and waits until every worker can take calls.

        Args:
            bundle: the bundle of a Python function.
            programs: the interpreters by name, and the user that workers run as.

        Raises:
            BundleError: the interpreter or what the bundle requires is not installed, or the bundle does not load; the
                message says why. `PassingFailure` if the reason may pass.
            OSError: no process, file descriptor or memory is free.
        """
        settings = bundle.settings
        await asyncio.to_thread(require_timezone, settings.timezone)
        interpreter = await interpreter_of(settings, programs)
        notes = await check_requirements(bundle, interpreter)
        workload = Workload(settings.workers)
        name = f"{bundle.path.parent.name}/{bundle.path.name}"
        spawner = PythonSpawner(interpreter.path, bundle.path, bundle.digest, settings, name, user=programs.user)
        pool = WorkerPool(spawner, name, settings, workload)
        first = await pool.start()
        try:
            return cls(pool, workload, _describe(bundle, first.greeting, notes), conversions.PYTHON)
        except BaseException:
            await pool.close()
            raise

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """Scores a batch of a bundle that is being tried, with the clock set forward by `days`; returns the warnings.

        Raises:
            WorkerLost: the worker died, or no worker can be started.
            PredictionFailed: the function raised.
            MalformedPrediction: the function returned something else than one score for each row.
        """
        table = self._table(call)
        answer = await self._ask(call, messages.TRIAL, {"rows": table.rows, "days": days}, table)
        return Tried(self._outcome(call, answer), _warnings(call, answer), str(answer.head.get("changed", "")))

    async def _predict(self, call: Call, table: Table) -> Outcome:
        return self._outcome(call, await self._ask(call, messages.CALL, {"rows": table.rows}, table))

    async def _ask(self, call: Call, kind: bytes, head: dict[str, Any], table: Table) -> Message:
        vectors = [self._vector(column) for column in table.columns]
        try:
            async with self.pool.lease(call.trace, call.request_id) as worker:
                return await worker.call(kind, head, vectors)
        except (NoWorker, ConnectionLost, ProtocolError) as error:
            raise worker_lost(call, "Python", error) from error

    def _vector(self, column: Column) -> Vector:
        # A part of a call in which nothing is missing is given as a whole call without missing values would be.
        mask = column.mask if column.mask is not None and column.mask.any() else None
        ordered = column.name in self._ordered
        return Vector(column.name, column.type.value, column.values, mask, column.levels, ordered)

    def _outcome(self, call: Call, answer: Message) -> Outcome:
        if answer.kind == messages.FAILED:
            raise _failure(call, answer.head)
        return Outcome((Range(0, call.rows, self._outputs.held(call, _columns(call, answer))),))


def _check_types(settings: ModelSettings) -> None:
    for feature in settings.declared_features():
        if feature.type is None or (feature.type is Type.FACTOR and not feature.levels):
            raise BundleError(
                f"model.toml: [features] has no type or no levels of '{feature.name}': a Python model needs them"
            )
        if feature.by_codes or (feature.levels and feature.type is not Type.FACTOR):
            raise BundleError(
                f"model.toml: [features] says that '{feature.name}' has whole numbers as levels, which only an xgboost "
                f"model has: say '{feature.name}' = 'int' without levels, and let predict look the numbers up"
            )


def _describe(bundle: Bundle, greeting: Greeting, notes: tuple[str, ...]) -> Description:
    settings = bundle.settings
    _check_types(settings)
    row_wise = bool(settings.row_wise or settings.row_by_row)
    framed = settings.input == "frame"
    features = settings.declared_features()
    if not framed:
        features = typed_features(greeting.features, settings, "parameter of predict")
    return Description(
        features=features,
        outputs=settings.declared_outputs() or (bundle.manifest.outputs if bundle.manifest else None),
        frame_features=() if framed else greeting.frame_features,
        engine=f"Python {greeting.version}" + "".join(f", {package}" for package in greeting.packages),
        engine_reason="the bundle is a Python function",
        row_wise=row_wise,
        row_wise_reason="" if row_wise else "its author does not say row_wise = true",
        notes=(*greeting.notes, *notes),
        loading_warnings=greeting.warnings,
    )


def _columns(call: Call, answer: Message) -> tuple[Column, ...]:
    try:
        rows, vectors = answer.vectors()
    except ProtocolError as error:
        raise MalformedPrediction(f"{call.model}: {error}") from error
    if rows != call.rows or not vectors:
        raise MalformedPrediction(f"{call.model}: {len(vectors)} outputs of {rows} scores for {call.rows} rows")
    return tuple(Column(one.name, Type(one.type), one.values, one.mask) for one in vectors)


def _warnings(call: Call, answer: Message) -> tuple[Warned, ...]:
    warnings = answer.head.get("warnings", [])
    try:
        return tuple(Warned(str(text), bool(changes)) for text, changes in warnings)
    except (TypeError, ValueError) as error:
        raise MalformedPrediction(f"{call.model}: the worker's answer tells its warnings in another form") from error


def _failure(call: Call, head: dict[str, Any]) -> BackendError:
    """Returns the error for an answer without scores; `scorebridge.runner.call` says what its head holds."""
    kind, raised, said, warned = (str(head.get(part, "")) for part in ("kind", "class", "said", "warned"))
    return predict_failure(call, kind, (raised, f"'{printable(raised)}'"), said, warned)
