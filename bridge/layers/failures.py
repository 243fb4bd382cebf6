"""The failures layer: writes what a model said when it failed to the gateway's own log, at a bounded rate."""

import asyncio

from bridge.calls import Call, ModelRef, Outcome, Range, Scorer, now
from bridge.errors import BackendError, MalformedPrediction, PredictionFailed
from bridge.model_events import MODEL_FAILED, MODEL_FAILURES_LEFT_OUT
from bridge.own_log import OwnLog
from bridge.texts import brief

__all__ = ["Failures"]

_log = OwnLog(__name__)

_AT_ONCE = 10
_PER_S = 1.0
_MOST_MESSAGE, _MOST_CLASS = 500, 100  # characters
_OF_THE_MODEL = (PredictionFailed, MalformedPrediction)


class Failures:
    """Logs a warning for each range of rows for which a version's model failed.

    A line holds no input values, unless the model itself put some into its message. At most ten lines are written at
    once, and one a second after that, so that a storm of failures neither fills the disk nor holds up the loop. Further
    failures are counted, and a summary line tells their number.
    """

    def __init__(self) -> None:
        self._lines = float(_AT_ONCE)  # how many lines the rate limit allows now
        self._at = 0.0
        self._unwritten = 0
        self._opening: tuple[asyncio.TimerHandle, ModelRef] | None = None

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the call, logs the model's failures in it, and returns the outcome unchanged."""
        outcome = await inner(call)
        for part in outcome.ranges:
            if isinstance(part.error, _OF_THE_MODEL):
                self._note(call, part, part.error)
        return outcome

    def close(self) -> None:
        """Writes the summary line of the failures that were counted but not logged, if there are any."""
        if self._opening is not None:
            self._opening[0].cancel()
            self._open()

    def _note(self, call: Call, part: Range, error: BackendError) -> None:
        at = now()
        self._lines = min(float(_AT_ONCE), self._lines + (at - self._at) * _PER_S)
        self._at = at
        if self._lines >= 1:
            self._lines -= 1
            _say(call, part, error)
            return
        self._unwritten += 1
        if self._opening is None:
            timer = asyncio.get_running_loop().call_at(at + (1 - self._lines) / _PER_S, self._open)
            self._opening = timer, call.model

    def _open(self) -> None:
        """Writes the summary line of the failures that were counted, now that the rate limit allows a line again."""
        if self._opening is None:
            return
        (_, model), self._opening = self._opening, None
        self._lines, self._at = 1.0, now()  # a sum of fractions could be just below 1, and hold the next line back
        verb = "was" if self._unwritten == 1 else "were"
        _log.say(MODEL_FAILURES_LEFT_OUT, version=model, lines=self._unwritten, note=verb)
        self._unwritten = 0


def _say(call: Call, part: Range, error: BackendError) -> None:
    said = str(error).removeprefix(f"{call.model}: ")
    if error.private:
        # A message of the model's own needs no sentence of ours; R's warnings are shown behind our sentence.
        said = error.private if isinstance(error, PredictionFailed) else f"{said} ({error.private})"
    _log.say(
        MODEL_FAILED,
        version=call.model,
        request_id=call.request_id,
        rows=f"row {part.first}" if part.count == 1 else f"rows {part.first} to {part.first + part.count - 1}",
        condition_class=brief(error.condition_class, _MOST_CLASS) or error.reason,
        said=brief(said, _MOST_MESSAGE),
    )
