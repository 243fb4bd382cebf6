"""The calls that have ended, as the caller's metrics are told of them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from scorebridge.arguments import check_hook
from scorebridge.result import Source
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["CallEvent", "CallHook"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallEvent:
    """One call that has ended, for metrics; a big batch ends once for each of its chunks.

    Attributes:
        request_id: the call's id.
        model: the model's name.
        rows: how many rows the call had.
        elapsed_s: from the call to its end, seconds.
        source: of the scores; None if the call ended with an error.
        reason: why the client gave its default or raised; None for an answer of the gateway.
    """

    request_id: str
    model: str
    rows: int
    elapsed_s: float
    source: Source | None
    reason: str | None


class CallHook:
    """Tells a caller's function of every call that has ended. What the function raises is logged, not passed on.

    Args:
        on_call: the function; None if nobody is to be told.

    Raises:
        TypeError: it can't be called.
    """

    def __init__(self, on_call: Callable[[CallEvent], None] | None) -> None:
        check_hook("on_call", on_call)
        self._on_call = on_call

    def tell(
        self, request: pb.ScoreRequest, rows: int, began: float, source: Source | None, reason: str | None
    ) -> None:
        """Tells of a call that ends now.

        Args:
            request: what was asked; of its rows only the number is told.
            rows: how many it had.
            began: when, on the monotonic clock.
            source: of the scores; None for an error.
            reason: of a client default or an error; None for an answer of the gateway.
        """
        if self._on_call is None:
            return
        elapsed_s = time.monotonic() - began
        try:
            self._on_call(CallEvent(request.request_id, request.model, rows, elapsed_s, source, reason))
        except Exception:  # noqa: BLE001 - whatever the hook's bug, the caller gets its scores
            _log.exception("the hook for calls raised; the call goes on")
