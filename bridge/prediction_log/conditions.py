"""Counts the conditions that models raised, by class, in bounded memory however many classes a model makes up."""

from collections.abc import Iterator
from dataclasses import dataclass

from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.codecs.logged import response_of
from bridge.errors import InvalidRequest
from bridge.texts import brief

__all__ = ["Conditions", "Raised"]

_OTHERS = "(others)"
_UNKNOWN = "(not recorded)"  # in records of old gateways, which did not record classes
_MOST_COUNTED = 1000  # a model may make up a class for each call
_MOST_LISTED = 20
_MOST_CLASS, _MOST_MESSAGE = 100, 200  # characters


@dataclass
class Raised:
    """Counts of the conditions of one class.

    Attributes:
        calls: the number of calls in which such a condition cost at least one row its score.
        rows: the number of rows of answered calls that have no score of the model because of such a condition.
        message: the message of the latest one, shortened, on one line; empty if it had none.
    """

    calls: int = 0
    rows: int = 0
    message: str = ""


class Conditions:
    """Counts the conditions of one version."""

    def __init__(self) -> None:
        self._raised: dict[str, Raised] = {}
        self._others = Raised()

    def add(self, record: log_pb.LogRecord) -> None:
        """Counts the conditions that were raised in one call; the call counts once for each class."""
        counted: set[int] = set()
        for name, rows, message in _raised(record):
            one = self._of(name)
            one.calls += id(one) not in counted
            counted.add(id(one))
            one.rows += rows
            one.message = brief(message, _MOST_MESSAGE)

    def listed(self) -> list[tuple[str, Raised]]:
        """Returns the counts by class: the 20 that cost most calls, most first, then all others together as "(others)".

        The line of the others has no message.
        """
        ordered = sorted(self._raised.items(), key=lambda one: (-one[1].calls, one[0]))
        others = [self._others, *(raised for _, raised in ordered[_MOST_LISTED:])]
        listed = ordered[:_MOST_LISTED]
        if calls := sum(one.calls for one in others):
            listed.append((_OTHERS, Raised(calls, sum(one.rows for one in others))))
        return listed

    def _of(self, name: str) -> Raised:
        name = brief(name, _MOST_CLASS) or _UNKNOWN
        if name not in self._raised and len(self._raised) == _MOST_COUNTED:
            return self._others
        return self._raised.setdefault(name, Raised())


def _raised(record: log_pb.LogRecord) -> Iterator[tuple[str, int, str]]:
    """Yields class, number of rows and message of each condition in the record of a call."""
    if record.condition_class or record.private_detail:
        yield record.condition_class, 0, record.private_detail or record.error_message
    parts = [part for part in (*record.defaulted, *record.failed) if part.condition_class or part.private_detail]
    details = {} if all(part.private_detail for part in parts) else _details(record)
    for part in parts:
        yield part.condition_class, part.count, part.private_detail or details.get(part.first, "")


def _details(record: log_pb.LogRecord) -> dict[int, str]:
    """Returns the message of each range in the response, by first row; used where the range has no private message."""
    try:
        response = response_of(record)
    except InvalidRequest:
        return {}
    details = {part.first: part.detail for part in response.defaulted_rows}
    return details | {part.first: part.detail for part in response.failed_rows}
