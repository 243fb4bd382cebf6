"""Decides which refused calls get a record of their own: a limited number a second; the others are only counted."""

from collections import OrderedDict

from bridge.calls import now

__all__ = ["Refusals"]

_MOST_CALLERS = 1024
_OF_ALL = 10  # times the limit of one caller, for all: addresses are cheap, and all callers share the disk


class _Allowance:
    """A rate limit: one second's allowance, at least 1, can be used at once, and it refills at `per_s` a second."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left = max(1.0, per_s)
        self._at = now()

    def has_one(self) -> bool:
        """Whether the allowance permits one more now."""
        at = now()
        self._left = min(max(1.0, self._per_s), self._left + (at - self._at) * self._per_s)
        self._at = at
        return self._left >= 1

    def use_one(self) -> None:
        """Takes one from the allowance."""
        self._left -= 1


class Refusals:
    """Limits how many refused calls a second get a record of their own, for each caller and for all together.

    Args:
        per_s: the limit for one caller, per second; all callers together may have ten times as many.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._callers: OrderedDict[str, _Allowance] = OrderedDict()
        self._all: _Allowance | None = None

    def admit(self, caller: str) -> bool:
        """Whether a refused call of this caller gets a record of its own; if so, it counts against the limits."""
        if self._all is None:
            self._all = _Allowance(_OF_ALL * self._per_s)
        own = self._callers.get(caller)
        if own is None:
            own = self._callers[caller] = _Allowance(self._per_s)
            if len(self._callers) > _MOST_CALLERS:
                self._callers.popitem(last=False)
        self._callers.move_to_end(caller)
        if not (own.has_one() and self._all.has_one()):
            return False
        own.use_one()
        self._all.use_one()
        return True
