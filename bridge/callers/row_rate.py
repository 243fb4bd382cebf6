"""Limits the rows a second that one caller sends."""

from bridge.calls import now
from bridge.errors import RateLimited

__all__ = ["RowRate"]


class RowRate:
    """A limit of rows a second, over time: what was not used for up to one second can be used at once.

    A call is let through as long as anything is left, however many rows it has: a batch may be larger than the rows of
    a second. It is paid for afterwards: the next call has to wait until the limit has made up for it.

    Args:
        per_s: the limit, rows a second.
    """

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._left = max(1.0, per_s)
        self._at: float | None = None

    def charge(self, caller: str, rows: int) -> None:
        """Counts the rows of a call; a call without rows counts as one.

        Raises:
            RateLimited: nothing is left now; the rows don't count.
        """
        at = now()
        since_s = 0.0 if self._at is None else at - self._at
        self._left = min(max(1.0, self.per_s), self._left + since_s * self.per_s)
        self._at = at
        if self._left <= 0:
            wait_s = -self._left / self.per_s
            raise RateLimited(
                f"the caller '{caller}' may send {self.per_s:g} rows a second, and has sent more: "
                f"its next call can be taken in {wait_s:.3f} s",
                limit=f"{self.per_s:g} rows/s",
            )
        self._left -= max(1, rows)
