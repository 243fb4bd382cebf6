"""What else a client can be told when it is made, beside where its gateways are and what its calls say."""

import os
from collections.abc import Callable
from typing import TypedDict

from scorebridge.call_events import CallEvent

__all__ = ["ClientOptions"]


class ClientOptions(TypedDict, total=False):
    """How a client finds out that no gateway answers, and whom it tells what it then did.

    Attributes:
        keepalive_s: a connection from which nothing came for so long is asked whether anybody is there, seconds (10);
            None for never. A gateway sends away who asks more often than its `min_ping_interval_s`, which is 5.
        keepalive_timeout_s: a connection that was asked is made anew if no answer comes within this, seconds (2).
        circuit_failures: so many failed connections or unanswered calls in a row, and gateways are left alone for a
            while (5); 0 for never.
        circuit_open_s: how long gateways are left alone, until a single call is let through to see, seconds (1).
        defaults_log: a file that gets a line of JSON for each client default, for
            `scorebridge reconcile --client-defaults`; no input values.
        on_call: is told of every call, for metrics; must not block. What it raises is logged.
    """

    keepalive_s: float | None
    keepalive_timeout_s: float
    circuit_failures: int
    circuit_open_s: float
    defaults_log: str | os.PathLike[str]
    on_call: Callable[[CallEvent], None]
