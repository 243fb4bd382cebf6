"""The one place that states the order of the layers, outermost first, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from bridge.backends import Backend, Description
from bridge.bundles.settings import ModelSettings
from bridge.calls import Layer, Output, Scorer
from bridge.columns import Batch
from bridge.layers.admission import Admission
from bridge.layers.batching import Batching
from bridge.layers.circuit import Circuit
from bridge.layers.deadline import DeadlineLayer
from bridge.layers.drain import Drain
from bridge.layers.failures import Failures
from bridge.layers.fallback import Fallback
from bridge.layers.retry import Retry, RetryBudget
from bridge.layers.unfit_rows import UnfitRows
from bridge.workload import Workload

__all__ = ["Stack", "build_stack", "build_waiting_scorer", "fold"]


@dataclass(frozen=True, slots=True)
class Stack:
    """The scorer of one resident version, with those of its layers that must be closed.

    Attributes:
        scorer: the backend under all layers.
        circuit: the circuit layer, which may have a task that probes the model.
        failures: the layer that logs failures; None without `log_model_messages`.
    """

    scorer: Scorer
    circuit: Circuit
    failures: Failures | None = None

    async def close(self) -> None:
        """Stops the circuit's probe, and writes the line for failures that were counted but not logged."""
        await self.circuit.stop()
        if self.failures is not None:
            self.failures.close()


def build_stack(
    settings: ModelSettings,
    backend: Backend,
    description: Description,
    probe: Batch | None,
    drain: Drain,
    *,
    log_model_messages: bool = False,
) -> Stack:
    """Returns the scorer of a version that may serve: its backend under every layer.

    Args:
        settings: the model's settings.
        backend: the backend in which the version is resident.
        description: the facts of the loaded model.
        probe: one row that the model is known to score, with which the circuit asks again; None if no row is known.
        drain: the gateway's own deadline for all calls.
        log_model_messages: whether the message that a model fails with goes into the gateway's own log.
    """
    workload = backend.workload
    circuit = Circuit(settings.circuit.failures, settings.circuit.open_s, probe, settings.worker_limit_s)
    workload.on_overrun = circuit.overrun
    failures = Failures() if log_model_messages else None
    layers = _layers(settings, description, workload, circuit, drain)
    if failures is not None:
        # Outermost, where each row's outcome is final: below fallback, a batch that is coalesced or halved raises again
        # and again for the same rows.
        layers.insert(0, failures)
    return Stack(fold(layers, backend.score), circuit, failures)


def _layers(
    settings: ModelSettings, description: Description, workload: Workload, circuit: Circuit, drain: Drain
) -> list[Layer]:
    return [
        # Above everything that can fail, so that one place decides what is answered with a default.
        _fallback(settings, description.outputs),
        # Below fallback, which may give the rows that are taken out a default; above all layers that wait, because
        # these rows wait for nothing.
        UnfitRows(row_wise=description.row_wise),
        # Above admission and batching, so that queueing is paid from the caller's time.
        DeadlineLayer(settings.timeout_s, settings.max_timeout_s, settings.reply_reserve_s, drain),
        # Below the deadline, so that a caller's short deadline never counts as the model's failure.
        circuit,
        # Below the circuit, so that calls which a failing model would not answer take no place among those that wait.
        Admission(workload, settings.max_pending_rows),
        # Below admission, so that only calls that were let in are cut or coalesced.
        _batching(settings, description, workload),
        # Below batching, so that a lost worker repeats one chunk and not a whole batch.
        Retry(settings.retry.attempts, settings.retry.backoff_s, RetryBudget()),
    ]


def build_waiting_scorer(unready: Scorer, settings: ModelSettings) -> Scorer:
    """Returns the scorer of a version that is not resident yet: it gives default scores, or raises what `unready` does.

    Args:
        unready: a scorer that raises why the version can't score yet.
        settings: the model's settings.
    """
    return fold([_fallback(settings)], unready)


def _batching(settings: ModelSettings, description: Description, workload: Workload) -> Batching:
    # R runs these rows one by one in any case, so chunks would gain nothing: they share one exchange with one worker.
    chunk_rows = settings.max_batch_rows if settings.row_by_row else settings.chunk_rows or description.chunk_rows
    return Batching(
        workload,
        row_wise=description.row_wise,
        coalesce=description.row_wise and settings.coalesce is not False and not settings.row_by_row,
        chunk_rows=chunk_rows,
        least_rows=min(description.least_rows, chunk_rows),
    )


def _fallback(settings: ModelSettings, outputs: Sequence[Output] | None = None) -> Fallback:
    additional = [output.name for output in outputs or () if output.additional]
    passes = settings.missing_score == "pass"
    return Fallback(settings.default_reasons, missing_passes=passes, additional=additional)


def fold(layers: Sequence[Layer], backend: Scorer) -> Scorer:
    """Returns the backend's scorer wrapped in all layers, the first of them outermost."""
    return reduce(_around, reversed(layers), backend)


def _around(inner: Scorer, layer: Layer) -> Scorer:
    return lambda call: layer(call, inner)
