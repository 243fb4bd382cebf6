"""A walk over the fields of a message, which counts what it holds before any object is built of it."""

from abc import ABC, abstractmethod

from bridge.codecs.protobuf import NotAMessage
from bridge.codecs.scorebridge_v1.bounds import Bounds, too_many
from bridge.errors import InvalidRequest

__all__ = ["FEW_STEPS", "Walk"]

FEW_STEPS = 4096  # fields of a walk; about half a millisecond
_MOST_OTHERS = 1024  # unknown or repeated fields


class _GivenUp(Exception):
    """The walk has used all the steps that it may take."""


class Walk(ABC):
    """One walk over a request, with its counts so far; each kind of request has its own `request`.

    Args:
        raw: the bytes of the request.
        bounds: how much it may hold.
        few: give up after 4096 steps, about half a millisecond, so that the event loop is not held longer.

    Attributes:
        columns: the number of columns.
        items: the number of texts, missing rows and single numbers, which are read one by one.
    """

    def __init__(self, raw: bytes, bounds: Bounds, *, few: bool) -> None:
        self._raw = raw
        self._bounds = bounds
        self._steps = FEW_STEPS if few else len(raw) + 1
        self._others = 0
        self.columns = self.items = 0

    @abstractmethod
    def request(self) -> None:
        """Counts the whole request."""

    def counts(self, unreadable: str) -> bool:
        """Counts the whole request; returns whether it did not give up.

        Args:
            unreadable: what the error says of bytes that it can't follow.

        Raises:
            InvalidRequest: the message holds more than it may (the error names the limit), or can't be followed.
        """
        try:
            self.request()
        except _GivenUp:
            return False
        except (NotAMessage, IndexError) as error:
            why = error if isinstance(error, NotAMessage) else "it ends within a field"
            raise InvalidRequest(f"{unreadable}: {why}") from None
        return True

    def _other(self) -> None:
        self._others += 1
        if self._others > _MOST_OTHERS:
            raise too_many("fields that are unknown or repeated", _MOST_OTHERS)

    def _step(self, count: int) -> None:
        self._steps -= count
        if self._steps <= 0:
            raise _GivenUp
