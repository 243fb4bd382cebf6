"""The span of a caller from which a call comes, read from its headers as W3C Trace Context says."""

import re
from collections.abc import Iterable
from typing import NamedTuple, Self

__all__ = ["ParentSpan"]

# Later versions of the header may have more behind these parts, which older readers ignore.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?", re.ASCII)
_MOST_PARENT, _MOST_STATE = 256, 512  # characters
_STATE = re.compile(r"[\x20-\x7e\t]*", re.ASCII)


class ParentSpan(NamedTuple):
    """The span of a caller.

    Attributes:
        trace_id: the number of the trace.
        span_id: the number of the span.
        flags: the flags, of which the lowest bit says that the caller keeps the trace.
        state: what the systems before want passed on, as the header `tracestate` has it; empty if there is nothing.
    """

    trace_id: int
    span_id: int
    flags: int
    state: str

    @classmethod
    def of(cls, headers: Iterable[tuple[str, str | bytes]]) -> Self | None:
        """Returns the span that headers name; None if they name none, more than one, or none that is valid.

        Args:
            headers: the names, in lower case, and values of a request's headers, or of a call's metadata.
        """
        parents: list[str] = []
        states: list[str] = []
        for name, value in headers:
            if isinstance(value, str) and name in ("traceparent", "tracestate"):
                (parents if name == "traceparent" else states).append(value)
        if len(parents) != 1 or len(parents[0]) > _MOST_PARENT:
            return None
        found = _TRACEPARENT.fullmatch(parents[0])
        if found is None:
            return None
        version, trace, span, flags, more = found.groups()
        trace_id, span_id = int(trace, 16), int(span, 16)
        if version == "ff" or (version == "00" and more) or not trace_id or not span_id:
            return None
        state = ",".join(states)
        kept = len(state) <= _MOST_STATE and _STATE.fullmatch(state) is not None
        return cls(trace_id, span_id, int(flags, 16), state if kept else "")
