"""The client's own circuit: what makes a gateway that is away cost microseconds and not a timeout a call."""

import math
import threading
import time

__all__ = ["Circuit"]

_LEAST_SILENCE_S = 0.1  # calls with tiny deadlines fail in a row too, but then the gateway answers others meanwhile


class Circuit:
    """Opens after so many failed connections or unanswered calls in a row, then lets a single call through to see.

    Whatever a gateway answers, an error too, closes it. May be shared by threads.

    Args:
        failures: in a row; 0 never opens it.
        open_s: how long until a single call is let through, seconds.
    """

    def __init__(self, failures: int, open_s: float) -> None:
        self._failures = failures
        self._open_s = open_s
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._open = False
        self._next_trial = 0.0
        self._last_answer = -math.inf

    def allows(self) -> bool:
        """Whether a call may be made now."""
        with self._lock:
            at = time.monotonic()
            if not self._open:
                return True
            if at < self._next_trial:
                return False
            self._next_trial = at + self._open_s
            return True

    def answered(self) -> None:
        """A gateway said something."""
        with self._lock:
            self._in_a_row = 0
            self._open = False
            self._last_answer = time.monotonic()

    def failed(self) -> None:
        """None did."""
        with self._lock:
            at = time.monotonic()
            self._in_a_row += 1
            silent = at - self._last_answer >= _LEAST_SILENCE_S
            if not self._open and 0 < self._failures <= self._in_a_row and silent:
                self._open = True
                self._next_trial = at + self._open_s
