"""The client's own circuit: what makes a gateway that is away cost microseconds and not a timeout a call."""

import math
import threading
import time

from scorebridge.arguments import check_count, check_seconds
from scorebridge.forks import told_of_forks

__all__ = ["Circuit"]

_LEAST_SILENCE_S = 0.1  # calls with tiny deadlines fail in a row too, but then the gateway answers others meanwhile


class Circuit:
    """Opens after so many failed connections or unanswered calls in a row, then lets a single call through to see.

    Whatever a gateway answers, an error too, closes it. May be shared by threads.

    A deadline that passed says only that nobody answered within that time. So an open circuit is open for calls that
    would wait no longer than has been waited in vain; those with more patience are let through. Nor does the trial of a
    short call keep a longer one from trying. A connection that failed says it for all calls.

    Args:
        failures: in a row; 0 never opens it. The option `circuit_failures` of a client.
        open_s: how long until a single call is let through, seconds. The option `circuit_open_s` of a client.

    Raises:
        TypeError: they are no numbers.
        ValueError: they are negative, or the seconds over 10^8.
    """

    def __init__(self, failures: int, open_s: float) -> None:
        self._failures = check_count("circuit_failures", failures)
        self._open_s = check_seconds("circuit_open_s", open_s)
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._open = False
        self._tried_s = 0.0  # in vain
        self._trial_s = 0.0  # the longest wait of those that are let through to see
        self._next_trial = 0.0
        self._last_answer = -math.inf
        told_of_forks(self)

    def allows(self, timeout_s: float | None) -> bool:
        """Whether a call that waits so long, seconds, may be made now; None waits for ever."""
        if not self._open:
            return True
        patience_s = math.inf if timeout_s is None else timeout_s
        with self._lock:
            at = time.monotonic()
            if not self._open:
                return True
            if at >= self._next_trial:
                self._next_trial = at + self._open_s
            elif patience_s > self._tried_s:
                return True
            elif patience_s <= self._trial_s:
                return False
            self._trial_s = patience_s
            return True

    def answered(self) -> None:
        """Closes the circuit: a gateway has answered."""
        with self._lock:
            self._in_a_row = 0
            self._open = False
            self._tried_s = 0.0
            self._last_answer = time.monotonic()

    def failed(self, waited_s: float) -> None:
        """Counts a call that no gateway answered and that waited so long, seconds; infinity for a failed connection."""
        with self._lock:
            at = time.monotonic()
            self._in_a_row += 1
            self._tried_s = max(self._tried_s, waited_s)
            self._trial_s = max(self._trial_s, waited_s)
            silent = at - self._last_answer >= _LEAST_SILENCE_S
            if not self._open and 0 < self._failures <= self._in_a_row and silent:
                self._open = True
                self._next_trial = at + self._open_s
                self._trial_s = math.inf

    def invite(self) -> None:
        """Lets the next call through to see, whatever the time: there is a new connection."""
        self._next_trial = 0.0

    def forked(self) -> None:
        """Begins anew in a forked child, where nobody holds the lock and nothing has been tried."""
        self._lock = threading.Lock()
        self.answered()
        self._last_answer = -math.inf
