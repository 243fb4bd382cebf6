"""The one place that states the order of the layers, outermost first, each with its reason."""

from collections.abc import Sequence
from functools import reduce

from bridge.calls import Call, Layer, Outcome, Scorer
from bridge.layers.deadline import DeadlineLayer
from bridge.layers.fallback import Fallback
from bridge.model_settings import ModelSettings

__all__ = ["build_scorer", "build_waiting_scorer", "fold"]


def build_scorer(backend: Scorer, settings: ModelSettings) -> Scorer:
    """The scorer of one resident version: its backend under every layer."""
    layers: list[Layer] = [
        # record (to come) sits here: it must see every outcome, a default and a cancellation included.
        # Above everything that can fail, so that one place decides what is answered with a default.
        _fallback(settings),
        # Above admission and batching, so that queueing is paid from the caller's time.
        DeadlineLayer(settings.timeout_s, settings.max_timeout_s, settings.reply_reserve_s),
        # circuit (to come): below the deadline, so that a caller's short deadline never counts as the model's failure.
        # admission (to come): below the circuit, so that calls a sick model would not answer take no place in it.
        # batching (to come): below admission, so that what is cut or joined has been let in row by row.
        # retry (to come): below batching, so that a lost worker repeats one chunk and not a whole batch.
    ]
    return fold(layers, backend)


def build_waiting_scorer(unready: Scorer, settings: ModelSettings) -> Scorer:
    """The scorer of a version that can't be asked yet: what it raises, or the default score for it."""
    return fold([_fallback(settings)], unready)


def _fallback(settings: ModelSettings) -> Fallback:
    return Fallback(settings.default_on, missing_passes=settings.missing_score == "pass")


def fold(layers: Sequence[Layer], backend: Scorer) -> Scorer:
    """The layers around the backend, the first one outermost."""
    return reduce(_around, reversed(layers), backend)


def _around(inner: Scorer, layer: Layer) -> Scorer:
    async def scorer(call: Call) -> Outcome:
        return await layer(call, inner)

    return scorer
