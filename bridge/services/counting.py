"""Counts what messages hold, within limits that resident versions can raise."""

from collections.abc import Callable
from typing import TypeVar

from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.errors import InvalidRequest
from bridge.models.registry import Registry

__all__ = ["Counting"]

_MOST_ROWS = 1_000_000  # the most rows of a call where the model's author sets no other limit

_Counts = TypeVar("_Counts")


class Counting:
    """Counts messages of every wire.

    Args:
        registry: the gateway's versions; a resident one with more features or rows per call raises the limits.
        max_columns: the most columns of a message, if no resident version has more features.

    Attributes:
        bounds: the limits of a message that are in force whatever is resident.
        refused: the number of messages that were refused since the start because they held more than allowed.
    """

    def __init__(self, registry: Registry, max_columns: int) -> None:
        self._registry = registry
        self.bounds = Bounds(max_columns, _MOST_ROWS)
        self.refused = 0

    def count(self, count: Callable[[Bounds], _Counts]) -> tuple[_Counts, bool]:
        """Counts a message, with raised limits if it holds more than the fixed ones allow.

        Args:
            count: counts the message within the limits that it gets.

        Returns:
            What `count` returned, and whether that was within the fixed limits.

        Raises:
            InvalidRequest: the message holds more than allowed, or is not readable.
        """
        try:
            return count(self.bounds), True
        except InvalidRequest as error:
            widest = self.widest()
            if widest == self.bounds or not error.limit:
                self.refused += 1
                raise
        try:
            return count(widest), False
        except InvalidRequest:
            self.refused += 1
            raise

    def widest(self) -> Bounds:
        """Returns the limits, raised to what resident versions take."""
        resident = self._registry.resident()
        return Bounds(
            max([self.bounds.columns, *(version.width for version in resident)]),
            max([self.bounds.rows, *(version.settings.max_batch_rows for version in resident)]),
        )
