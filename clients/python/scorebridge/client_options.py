"""The keywords of a client for connections, circuit, file of client defaults and hook."""

import os
from collections.abc import Callable
from typing import TypedDict

from scorebridge.call_events import CallEvent

__all__ = ["ClientOptions"]


class ClientOptions(TypedDict, total=False):
    """The keywords of a client that say how it detects that no gateway answers, and where it reports its calls.

    Attributes:
        keepalive_s: after this time without traffic a connection gets a ping, seconds (10); None for no pings. A
            gateway closes connections that send pings more often than its `min_ping_interval_s`, which is 5.
        keepalive_timeout_s: a connection whose ping is not answered within this time is replaced, seconds (2).
        circuit_failures: the number of failed connections or unanswered calls in a row that open the client's circuit
            (5); 0 never opens it. An open circuit answers calls at once, without asking a gateway.
        circuit_open_s: the time after which an open circuit lets a single call through as a trial, seconds (1).
        defaults_log: a file that gets a line of JSON for each call answered with a client default, for
            `scorebridge reconcile --client-defaults`; it holds no input values.
        on_call: a function that is called for every call that has ended, for metrics; must not block. An exception that
            it raises is logged.
    """

    keepalive_s: float | None
    keepalive_timeout_s: float
    circuit_failures: int
    circuit_open_s: float
    defaults_log: str | os.PathLike[str]
    on_call: Callable[[CallEvent], None]
