"""What both clients' connections have in common: when names are resolved again and when a connection is checked."""

import time
from abc import ABC, abstractmethod

from scorebridge.channel import ChannelPlan
from scorebridge.errors import ScoringError
from scorebridge.forks import told_of_forks
from scorebridge.line import RESOLVE_AGAIN_S, Line

__all__ = ["GivenWay", "Way"]


class GivenWay:
    """The connection of a client that uses its caller's channel: it does not react to how calls end."""

    def answered(self) -> None:
        """Does nothing when a gateway has answered."""

    def failed(self, error: ScoringError) -> None:
        """Does nothing when a call has ended with an error."""

    def refused(self) -> None:
        """Does nothing when a call was not let through."""


class Way(ABC):
    """A client's own connection, which replaces its channel when needed. Subclasses do so in a thread or a task.

    Args:
        plan: how the channels are made.
    """

    def __init__(self, plan: ChannelPlan) -> None:
        self._plan = plan
        self._line: Line | None = None
        self._resolved = 0.0
        self._unknown: OSError | None = None
        self._closed = False
        told_of_forks(self)

    def answered(self) -> None:
        """Records that a gateway has answered, so that the connection is not silent."""
        if (line := self._line) is not None:
            line.silence.answered()

    def failed(self, error: ScoringError) -> None:
        """Checks the connection if it may be the cause of the error with which a call has ended."""
        line = self._line
        if line is None or error.by_gateway:
            self.answered()
        elif error.status == "DEADLINE_EXCEEDED":
            if line.silence.is_suspect():
                self._look(suspect=True)
        elif error.status == "UNAVAILABLE" and self._is_due(RESOLVE_AGAIN_S):
            self._look(suspect=False)

    def refused(self) -> None:
        """Sends a health check after the circuit refused a call, so that an answer lets calls through again."""
        line = self._line
        if line is None:
            return
        if self._is_due(RESOLVE_AGAIN_S):
            self._look(suspect=False)
        self._ask_once(line)

    @abstractmethod
    def forked(self) -> None:
        """Drops the channel in a forked child, whose calls need a channel of its own."""

    def _is_due(self, every_s: float) -> bool:
        return self._plan.target.moves and time.monotonic() - self._resolved >= every_s

    @abstractmethod
    def _look(self, *, suspect: bool) -> object:
        """Starts to resolve the names again and, if `suspect`, to check the connection, unless that is under way."""

    @abstractmethod
    def _ask_once(self, line: Line) -> None:
        """Starts a health check that waits until there is a connection, unless one is under way on the line."""
