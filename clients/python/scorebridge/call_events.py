"""Reports each call that has ended to the caller's hook, for metrics."""

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
    """One call that has ended, for metrics; of a big batch that is sent in chunks, one event for each chunk.

    Attributes:
        request_id: the call's id; a chunk's is the batch's id, a slash and the number of the chunk's first row.
        model: the model's name.
        rows: the number of rows in the call.
        elapsed_s: the time from the beginning of the call to its end, seconds.
        source: where the scores come from; None if the call ended with an error.
        reason: why the client gave its default score or raised an error; None if a gateway gave the scores.
    """

    request_id: str
    model: str
    rows: int
    elapsed_s: float
    source: Source | None
    reason: str | None


class CallHook:
    """Calls the caller's function for every call that has ended. An exception of the function is logged, not raised.

    Args:
        on_call: the function; None for no function.

    Raises:
        TypeError: `on_call` is neither a function nor None.
    """

    def __init__(self, on_call: Callable[[CallEvent], None] | None) -> None:
        check_hook("on_call", on_call)
        self._on_call = on_call

    def tell(
        self, request: pb.ScoreRequest, rows: int, began: float, source: Source | None, reason: str | None
    ) -> None:
        """Reports a call that ends now.

        Args:
            request: the request; the hook gets its id and model, and no rows.
            rows: the number of rows in the call.
            began: when the call began, on the monotonic clock, seconds.
            source: where the scores come from; None if the call ended with an error.
            reason: why the client gave its default score or raised an error; None if a gateway gave the scores.
        """
        if self._on_call is None:
            return
        elapsed_s = time.monotonic() - began
        try:
            self._on_call(CallEvent(request.request_id, request.model, rows, elapsed_s, source, reason))
        except Exception:  # noqa: BLE001 - whatever the hook's bug, the caller gets its scores
            _log.exception("the hook on_call raised an error; call %s is not affected", request.request_id)
