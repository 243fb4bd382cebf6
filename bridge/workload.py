"""How busy one version is, and how long its executions take: batching keeps these numbers, admission reads them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.calls import now

__all__ = ["Cost", "Workload"]

_HALF_LIFE_S = 5.0
_FADE_STEP_S = 0.01  # in less time the weights fade too little to matter
_LEAST_WEIGHT = 0.5  # below this the last executions are too long ago to say anything


class Cost:
    """Estimates the seconds of an execution as slope * rows + base, from the executions of the last seconds."""

    def __init__(self) -> None:
        self._at = -math.inf
        self._weight = self._rows = self._seconds = self._rows_rows = self._rows_seconds = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        """Adds an execution that was completed: its rows and its seconds."""
        self._fade()
        self._weight += 1
        self._rows += rows
        self._seconds += seconds
        self._rows_rows += rows * rows
        self._rows_seconds += rows * seconds

    def seconds(self, rows: int, executions: int = 1) -> float | None:
        """Returns the seconds that this many rows would take in this many executions; None without recent ones."""
        self._fade()
        if self._weight < _LEAST_WEIGHT:
            return None
        mean_rows, mean_seconds = self._rows / self._weight, self._seconds / self._weight
        spread = self._rows_rows / self._weight - mean_rows**2
        together = self._rows_seconds / self._weight - mean_rows * mean_seconds
        slope = max(0.0, together / spread) if spread > 1 else 0.0
        base = max(0.0, mean_seconds - slope * mean_rows)
        return slope * rows + base * executions

    def _fade(self) -> None:
        at = now()
        if at - self._at < _FADE_STEP_S:
            return
        kept = 0.5 ** ((at - self._at) / _HALF_LIFE_S) if self._at > -math.inf else 0.0
        self._at = at
        self._weight *= kept
        self._rows *= kept
        self._seconds *= kept
        self._rows_rows *= kept
        self._rows_seconds *= kept


@dataclass
class Workload:
    """How busy one version is.

    Attributes:
        workers: how many executions can go on at once.
        running: how many executions go on now.
        occupied: how many workers are still busy with calls that nobody waits for any more.
        pending_rows: the rows of all calls that were let in and are not answered yet.
        cost: the estimated time of an execution.
        on_free: called when an occupied worker is free again.
        on_overrun: called when a worker was killed for taking too long.
    """

    workers: int
    running: int = 0
    occupied: int = 0
    pending_rows: int = 0
    cost: Cost = field(default_factory=Cost)
    on_free: Callable[[], None] = field(default=lambda: None)
    on_overrun: Callable[[], None] = field(default=lambda: None)

    @property
    def idle(self) -> bool:
        """Whether a worker is free."""
        return self.running + self.occupied < self.workers

    def occupy(self) -> None:
        """Notes that a worker goes on although its caller has left."""
        self.occupied += 1

    def free(self) -> None:
        """Notes that an occupied worker has finished or was killed, and calls `on_free`."""
        self.occupied -= 1
        self.on_free()
