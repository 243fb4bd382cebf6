"""How often the gateway's own log may say one thing, so that a storm neither fills the disk nor hides other lines."""

import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["LeftOut", "LineRate"]

_AT_ONCE = 10
_PER_S = 0.1
_MOST_KEYS = 1024
_OTHERS = ("many events", "different things")  # beyond that number they share an account


class LeftOut(NamedTuple):
    """Lines that were left out.

    Attributes:
        event_name: what they said, by the event's name or the library's.
        subject: what they were about, such as a version; there is a number of them above which they are not told apart.
        lines: how many they were.
    """

    event_name: str
    subject: str
    lines: int


class _Account:
    __slots__ = ("at", "left", "unwritten")

    def __init__(self, at: float) -> None:
        self.left, self.at, self.unwritten = float(_AT_ONCE), at, 0


class LineRate:
    """Allows ten lines at once of each event about each subject, and one every ten seconds after that.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[tuple[str, str], _Account] = {}

    def allows(self, event_name: str, subject: str) -> bool:
        """Whether a line may be written; one that may not is counted."""
        account = self._account((event_name, subject))
        at = self._clock()
        account.left = min(float(_AT_ONCE), account.left + (at - account.at) * _PER_S)
        account.at = at
        if account.left >= 1:
            account.left -= 1
            return True
        account.unwritten += 1
        return False

    def left_out(self) -> list[LeftOut]:
        """Returns what was left out since the last time, and begins its count anew."""
        found = []
        for (event_name, subject), account in self._accounts.items():
            if account.unwritten:
                found.append(LeftOut(event_name, subject, account.unwritten))
                account.unwritten = 0
        return found

    def _account(self, key: tuple[str, str]) -> _Account:
        found = self._accounts.get(key)
        if found is not None:
            return found
        if len(self._accounts) >= _MOST_KEYS:
            self._forget()
        if len(self._accounts) >= _MOST_KEYS:
            key = _OTHERS
        return self._accounts.setdefault(key, _Account(self._clock()))

    def _forget(self) -> None:
        """Lets go of the accounts that are as good as new."""
        at = self._clock()
        for key, account in list(self._accounts.items()):
            if not account.unwritten and account.left + (at - account.at) * _PER_S >= _AT_ONCE:
                del self._accounts[key]
