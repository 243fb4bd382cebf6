"""Attempts to score the rows of a call, noted one by one for whoever traces calls."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Attempt", "Attempts"]

_MOST = 100  # a bad row in a batch of ten thousand is looked for in dozens of attempts, many bad rows in thousands


@dataclass(slots=True, eq=False)
class Attempt:
    """One time that a worker or booster was asked.

    Attributes:
        began: when a worker was asked for, in seconds on the loop's clock.
        rows: the rows that it was asked to score; those of all calls, if they were coalesced.
        coalesced: whether the rows of several calls were asked for together.
        ended: when it ended, in seconds on the loop's clock; None if it had not ended before the call.
        reason: the UPPER_SNAKE name of what it failed by; empty if it did not.
    """

    began: float
    rows: int
    coalesced: bool = False
    ended: float | None = None
    reason: str = ""


class Attempts:
    """The attempts of one call, or of calls that are coalesced.

    Args:
        parts: the attempts of the calls that are coalesced, which get each attempt as well.

    Attributes:
        noted: the first hundred attempts, in the order in which they began.
        left_out: how many more there were.
    """

    __slots__ = ("_parts", "left_out", "noted")

    def __init__(self, parts: Iterable["Attempts"] = ()) -> None:
        self._parts = tuple(parts)
        self.noted: list[Attempt] = []
        self.left_out = 0

    @classmethod
    def together(cls, parts: Iterable["Attempts | None"]) -> "Attempts | None":
        """Returns what notes attempts for all calls of a coalesced batch; None if they are noted for none of them."""
        traced = [part for part in parts if part is not None]
        return cls(traced) if traced else None

    def begin(self, at: float, rows: int, *, coalesced: bool) -> Attempt:
        """Notes an attempt that begins, and returns it, for its end to be noted."""
        attempt = Attempt(at, rows, coalesced)
        for attempts in (self, *self._parts):
            if len(attempts.noted) < _MOST:
                attempts.noted.append(attempt)
            else:
                attempts.left_out += 1
        return attempt
