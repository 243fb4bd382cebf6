"""What both clients' ways to the gateways decide alike: when names are resolved again, and a connection looked at."""

import time
from abc import ABC, abstractmethod

from scorebridge.channel import ChannelPlan
from scorebridge.errors import ScoringError
from scorebridge.forks import told_of_forks
from scorebridge.line import RESOLVE_AGAIN_S, Line

__all__ = ["GivenWay", "Way"]


class GivenWay:
    """The connection of a client whose caller made the channel: how calls end changes nothing about it."""

    def answered(self) -> None:
        """Does nothing when a gateway has answered."""

    def failed(self, error: ScoringError) -> None:
        """Does nothing when a call has ended with an error."""

    def refused(self) -> None:
        """Does nothing when a call was not let through."""


class Way(ABC):
    """A client's own connection: one channel after the other. Subclasses look after it in a thread, or in a task."""

    def __init__(self, plan: ChannelPlan) -> None:
        self._plan = plan
        self._line: Line | None = None
        self._resolved = 0.0
        self._unknown: OSError | None = None
        self._closed = False
        told_of_forks(self)

    def answered(self) -> None:
        """Hears that a gateway has answered: the connection is not silent."""
        if (line := self._line) is not None:
            line.silence.answered()

    def failed(self, error: ScoringError) -> None:
        """Hears that a call has ended with an error, and looks after the connection if that may be its fault."""
        line = self._line
        if line is None or error.by_gateway:
            self.answered()
        elif error.status == "DEADLINE_EXCEEDED":
            if line.silence.is_suspect():
                self._look(suspect=True)
        elif error.status == "UNAVAILABLE" and self._is_due(RESOLVE_AGAIN_S):
            self._look(suspect=False)

    def refused(self) -> None:
        """Hears that the circuit lets no calls through, and asks a gateway for a sign that one would be worth it."""
        line = self._line
        if line is None:
            return
        if self._is_due(RESOLVE_AGAIN_S):
            self._look(suspect=False)
        self._ask_once(line)

    @abstractmethod
    def forked(self) -> None:
        """Begins anew in a forked child, whose calls need a channel of its own."""

    def _is_due(self, every_s: float) -> bool:
        return self._plan.target.moves and time.monotonic() - self._resolved >= every_s

    @abstractmethod
    def _look(self, *, suspect: bool) -> object:
        """Resolves the names, and asks a suspect connection whether anybody is there; one at once."""

    @abstractmethod
    def _ask_once(self, line: Line) -> None:
        """Has a gateway asked, if none is being asked, which answers when there is a connection."""
