"""The client's circuit: while gateways are away, a call fails in microseconds instead of waiting for its timeout."""

import math
import threading
import time

from scorebridge.arguments import check_count, check_seconds
from scorebridge.forks import told_of_forks

__all__ = ["Circuit"]

_LEAST_SILENCE_S = 0.1  # calls with tiny deadlines may fail many times in a row while a gateway answers other calls


class Circuit:
    """Refuses calls while no gateway answers. May be shared by threads.

    The circuit opens after `failures` failed connections or unanswered calls in a row, if no gateway answered anything
    for 100 ms. Every `open_s` it lets a single call through as a trial. Any answer of a gateway, an error too, closes
    it.

    An expired deadline shows only that no gateway answered within that time. So the open circuit refuses the calls that
    would wait no longer than an earlier call that got no answer, and lets calls with a longer timeout through. While
    the trial of a call with a short timeout runs, a call with a longer timeout may try too. A failed connection counts
    against calls of every timeout.

    Args:
        failures: the number of failures in a row that open the circuit; 0 never opens it. The client's option
            `circuit_failures`.
        open_s: the time until a single call is let through, seconds. The client's option `circuit_open_s`.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is negative, or `open_s` is over 10^8.
    """

    def __init__(self, failures: int, open_s: float) -> None:
        self._failures = check_count("circuit_failures", failures)
        self._open_s = check_seconds("circuit_open_s", open_s)
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._open = False
        self._tried_s = 0.0  # the longest wait that brought no answer, in this row of failures
        self._trial_s = 0.0  # the longest timeout of the calls that were let through as a trial
        self._next_trial = 0.0
        self._last_answer = -math.inf
        told_of_forks(self)

    def allows(self, timeout_s: float | None) -> bool:
        """Whether a call with this timeout, seconds, may be made now; None for a call that waits without limit."""
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
        """Closes the circuit, because a gateway has answered."""
        with self._lock:
            self._in_a_row = 0
            self._open = False
            self._tried_s = 0.0
            self._last_answer = time.monotonic()

    def failed(self, waited_s: float) -> None:
        """Counts a call that got no answer within `waited_s` seconds; infinity stands for a failed connection."""
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
        """Lets the next call through as a trial at once, because a gateway has answered a health check."""
        self._next_trial = 0.0

    def forked(self) -> None:
        """Resets the circuit in a forked child: closed, with a new lock that no thread of the parent holds."""
        self._lock = threading.Lock()
        self.answered()
        self._last_answer = -math.inf
