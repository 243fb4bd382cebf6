"""The circuit layer: keeps calls from a version that fails again and again, and probes it until it answers."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from bridge.calls import Call, Deadline, ModelRef, Outcome, Range, Scorer, now
from bridge.columns import Batch
from bridge.errors import BridgeError, CircuitOpen, MalformedPrediction, PoisonCall, PredictionFailed, WorkerLost
from bridge.model_events import CIRCUIT_CLOSED, CIRCUIT_OPENED, CIRCUIT_STAYS_OPEN
from bridge.own_log import OwnLog

__all__ = ["Circuit", "CircuitState"]

_log = OwnLog(__name__)

# Never a model's own error, an overload or a caller's short deadline: else one caller could shut out all others.
_COUNTED = (WorkerLost, PoisonCall, MalformedPrediction)


class CircuitState(StrEnum):
    """The state of a circuit: CLOSED lets calls through, OPEN lets none, HALF_OPEN waits for one answer."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Circuit:
    """Counts a version's failures in a row, and turns calls away while there were too many.

    Args:
        failures: the number of failures in a row that opens the circuit.
        open_s: how long the circuit stays open before the model is asked again, seconds.
        probe: one row that the model is known to score, to ask it again with; None lets a single call through instead.
        probe_timeout_s: how long the model may take for the probe, seconds.

    Attributes:
        state: the present state of the circuit.
    """

    def __init__(self, failures: int, open_s: float, probe: Batch | None, probe_timeout_s: float) -> None:
        self._failures = failures
        self._open_s = open_s
        self._probe = probe
        self._probe_timeout_s = probe_timeout_s
        self._in_a_row = 0
        self._probing: asyncio.Task[None] | None = None
        self._let_one_through = False
        self._target: tuple[ModelRef, Scorer] | None = None
        self.state = CircuitState.CLOSED

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Passes the call on, unless the circuit is open.

        Raises:
            CircuitOpen: the circuit is open, and the model was not asked.
        """
        self._target = call.model, inner
        trial = False
        if self.state is not CircuitState.CLOSED:
            trial, self._let_one_through = self._let_one_through, False
            if not trial:
                raise CircuitOpen(f"{call.model} failed {self._failures} times in a row and gets no calls for a while")
        try:
            outcome = await inner(call)
            self._note(outcome.ranges)
        except BridgeError as error:
            self._note([Range(0, call.rows, error=error)])
            raise
        finally:
            if trial and self.state is CircuitState.HALF_OPEN:
                self._trip()
        return outcome

    def overrun(self) -> None:
        """Counts a failure: a worker was killed because it took too long for a call that had already ended."""
        self._count_failure()

    async def stop(self) -> None:
        """Stops probing the model, and waits until the probe has ended; for a version that is being unloaded."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})

    def _note(self, ranges: Sequence[Range]) -> None:
        """Counts a failure or begins the count anew, by the ranges of an outcome.

        Rows whose time was over before a worker was asked say nothing about the model.
        """
        if any(isinstance(part.error, _COUNTED) for part in ranges):
            self._count_failure()
        elif any(part.scores or isinstance(part.error, PredictionFailed) for part in ranges):
            self._recover()  # a model that raises did answer

    def _count_failure(self) -> None:
        self._in_a_row += 1
        if self._in_a_row >= self._failures and self.state is CircuitState.CLOSED:
            self._trip()

    def _recover(self) -> None:
        self._in_a_row = 0
        if self.state is CircuitState.HALF_OPEN:
            _log.say(CIRCUIT_CLOSED, version=self._target[0] if self._target else "")
            self.state = CircuitState.CLOSED

    def _trip(self) -> None:
        if self._target is None:
            return
        _log.say(CIRCUIT_OPENED, version=self._target[0], attempts=self._in_a_row, pause_s=self._open_s)
        self.state = CircuitState.OPEN
        self._probing = asyncio.get_running_loop().create_task(self._ask_again(*self._target))

    async def _ask_again(self, model: ModelRef, inner: Scorer) -> None:
        while True:
            await asyncio.sleep(self._open_s)
            self.state = CircuitState.HALF_OPEN
            if self._probe is None:
                self._let_one_through = True
                return
            at = now()
            deadline = Deadline(at + self._probe_timeout_s)
            try:
                async with asyncio.timeout_at(deadline.instant):
                    outcome = await inner(Call("circuit", model, self._probe, at, deadline))
                failure: Exception | None = outcome.first_failure()
            except (BridgeError, TimeoutError) as error:
                failure = error
            if failure is None:
                self._recover()
                return
            _log.say(CIRCUIT_STAYS_OPEN, version=model, error=str(failure) or type(failure).__name__)
            self.state = CircuitState.OPEN
