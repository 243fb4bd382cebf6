"""The one place that states the order of the layers, outermost first, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from bridge.acceptance import Accepted
from bridge.calls import Layer, Output, Scorer
from bridge.layers.admission import Admission
from bridge.layers.batching import Batching
from bridge.layers.circuit import Circuit
from bridge.layers.deadline import DeadlineLayer
from bridge.layers.drain import Drain
from bridge.layers.fallback import Fallback
from bridge.layers.record import Record, Recorder
from bridge.layers.retry import Retry, RetryBudget
from bridge.layers.unfit_rows import UnfitRows
from bridge.model_settings import ModelSettings

__all__ = ["Stack", "build_stack", "build_waiting_scorer", "fold"]


@dataclass(frozen=True, slots=True)
class Stack:
    """What scores one resident version, and the one layer of it that has a life of its own."""

    scorer: Scorer
    circuit: Circuit


def build_stack(accepted: Accepted, drain: Drain, recorder: Recorder | None = None) -> Stack:
    """The scorer of a version that may serve: its backend under every layer; without a log nothing is recorded."""
    settings, backend, description = accepted.bundle.settings, accepted.backend, accepted.description
    load = backend.load
    circuit = Circuit(settings.circuit.failures, settings.circuit.open_s, accepted.self_test, settings.worker_limit_s)
    load.on_overrun = circuit.overrun
    layers: list[Layer] = [
        # Outermost: it must see every outcome, a default and a cancellation included, before anything leaves.
        *_record(recorder, description.engine),
        # Above everything that can fail, so that one place decides what is answered with a default.
        _fallback(settings, description.outputs),
        # Below fallback, which may answer the rows that are taken out; above all that waits, for they wait for nothing.
        UnfitRows(row_wise=description.row_wise),
        # Above admission and batching, so that queueing is paid from the caller's time.
        DeadlineLayer(settings.timeout_s, settings.max_timeout_s, settings.reply_reserve_s, drain),
        # Below the deadline, so that a caller's short deadline never counts as the model's failure.
        circuit,
        # Below the circuit, so that calls a sick model would not answer take no place among those that wait.
        Admission(load, settings.max_pending_rows),
        # Below admission, so that what is cut or joined has been let in.
        Batching(
            load,
            row_wise=description.row_wise,
            coalesce=description.row_wise and settings.coalesce is not False,
            chunk_rows=settings.chunk_rows or description.chunk_rows,
            least_rows=min(description.least_rows, settings.chunk_rows or description.least_rows),
        ),
        # Below batching, so that a lost worker repeats one chunk and not a whole batch.
        Retry(settings.retry.attempts, settings.retry.backoff_s, RetryBudget()),
    ]
    return Stack(fold(layers, backend.score), circuit)


def build_waiting_scorer(unready: Scorer, settings: ModelSettings, recorder: Recorder | None = None) -> Scorer:
    """The scorer of a version that can't be asked yet: what it raises, or the default score for it."""
    return fold([*_record(recorder, ""), _fallback(settings)], unready)


def _record(recorder: Recorder | None, engine: str) -> list[Layer]:
    return [] if recorder is None else [Record(recorder, engine)]


def _fallback(settings: ModelSettings, outputs: Sequence[Output] | None = None) -> Fallback:
    additional = [output.name for output in outputs or () if output.additional]
    passes = settings.missing_score == "pass"
    return Fallback(settings.default_reasons, missing_passes=passes, additional=additional)


def fold(layers: Sequence[Layer], backend: Scorer) -> Scorer:
    """The layers around the backend, the first one outermost."""
    return reduce(_around, reversed(layers), backend)


def _around(inner: Scorer, layer: Layer) -> Scorer:
    return lambda call: layer(call, inner)
