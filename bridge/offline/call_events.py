"""What a run does about rows that a call left without scores, by the event that the scorer names."""

from enum import Enum, auto

__all__ = ["NO_ROOM", "TOO_LARGE", "Course", "course_of", "retries_of"]

TOO_LARGE = "TOO_LARGE"  # the event of a call with more rows or bytes than a call may have
NO_ROOM = "OVERLOADED"

# What stays as it is, however often and with whichever rows it is asked.
_ENDS = frozenset(
    {
        *("INVALID_REQUEST", "MODEL_NOT_FOUND", "VERSION_REFUSED", "VERSION_REPLACED", "UNAUTHENTICATED"),
        *("PERMISSION_DENIED", "NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNIMPLEMENTED"),
    }
)
_WAITS = frozenset(
    {
        *("OVERLOADED", "RATE_LIMITED", "CIRCUIT_OPEN", "MODEL_NOT_READY", "DRAINING", "LOG_UNAVAILABLE"),
        *("UNAVAILABLE", "STORE_UNAVAILABLE", "FEATURES_STALE"),
    }
)
_OF_ROWS = frozenset({"INVALID_VALUE", "UNKNOWN_LEVEL", "FEATURES_MISSING"})
_LOST = frozenset({"WORKER_LOST", "POISON_CALL"})
_OF_THE_MODEL = frozenset({"MODEL_ERROR", "MALFORMED_PREDICTION"})


class Course(Enum):
    """What is done about rows without scores.

    END ends the run, WAIT asks for the same rows later, REJECT gives them up, DIVIDE asks for each half of them, and
    RETRY asks for a single row again, alone.
    """

    END = auto()
    WAIT = auto()
    REJECT = auto()
    DIVIDE = auto()
    RETRY = auto()


def course_of(event: str, rows: int, *, whole: bool) -> Course:
    """Returns what is done about rows without scores.

    Args:
        event: the UPPER_SNAKE name of what happened to them.
        rows: how many rows they are.
        whole: whether the whole call failed, so that only some of its rows may be the cause.
    """
    if event in _ENDS:
        return Course.END
    if event in _WAITS:
        return Course.WAIT
    if event in _OF_ROWS and not whole:
        return Course.REJECT
    if rows > 1:
        return Course.DIVIDE
    # The model says the same of a row each time, but a worker or the time may be lost for another reason than the row.
    return Course.REJECT if event in _OF_ROWS | _OF_THE_MODEL else Course.RETRY


def retries_of(event: str) -> int:
    """Returns how often a single row is asked for again before it is given up.

    Whoever ends all of a model's processes at once, as a machine short of memory does, takes one worker after the other
    from the same row; each must have had the time to be replaced before the row is blamed.
    """
    return 3 if event in _LOST else 1
