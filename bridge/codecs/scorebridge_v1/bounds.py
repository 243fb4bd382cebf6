"""Limits of what a ScoreRequest may hold; `contents` counts what it holds before any object is built of it."""

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.protobuf import NotAMessage, read_fields
from bridge.errors import InvalidRequest

__all__ = [
    "MOST_LABELS",
    "MOST_TEXT_BYTES",
    "UNREADABLE",
    "Bounds",
    "check_labels",
    "check_text",
    "is_short",
    "read_asked",
    "too_many",
]

MOST_LABELS = 64
MOST_TEXT_BYTES = 1024  # bytes of an id, a name, a row key, and a label's key or value
UNREADABLE = "the bytes are not a scorebridge.v1.ScoreRequest"
_SHORT_BYTES = 4096  # up to this size, counting costs more than reading all that the message can hold
_FIRST_FIELDS = 16
_REQUEST_ID = pb.ScoreRequest.REQUEST_ID_FIELD_NUMBER << 3 | 2
_MODEL = pb.ScoreRequest.MODEL_FIELD_NUMBER << 3 | 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a ScoreRequest may hold.

    Attributes:
        columns: the most columns of its matrix or table.
        rows: the most rows; also the most row keys, and the most values and missing rows of a column.
    """

    columns: int
    rows: int


def is_short(request: bytes) -> bool:
    """Whether a request is so short that it need not be counted: all that it can hold is read and refused quickly."""
    return len(request) <= _SHORT_BYTES


def check_labels(count: int) -> None:
    """Checks the number of labels of a request.

    Raises:
        InvalidRequest: there are more than `MOST_LABELS`.
    """
    if count > MOST_LABELS:
        raise too_many("labels", MOST_LABELS)


def check_text(what: str, length: int) -> None:
    """Checks the length of a text, in bytes.

    Args:
        what: what the text is, for the message, such as "a row key".
        length: its length in bytes.

    Raises:
        InvalidRequest: it is longer than `MOST_TEXT_BYTES`.
    """
    if length > MOST_TEXT_BYTES:
        raise InvalidRequest(
            f"{what} has {length} bytes, and may have {MOST_TEXT_BYTES}", limit=f"{MOST_TEXT_BYTES} bytes"
        )


def too_many(what: str, most: int) -> InvalidRequest:
    """Returns the error for a message that holds more than `most` of something, such as "columns"."""
    return InvalidRequest(f"the message has more than {most} {what}", limit=f"{most} {what}")


def read_asked(request: bytes) -> tuple[str, str]:
    """Returns request id and model of a request that won't be parsed; empty if its first 16 fields don't have them."""
    found = {_REQUEST_ID: b"", _MODEL: b""}
    with suppress(NotAMessage, IndexError):
        for tag, begin, end in islice(read_fields(request, 0, len(request)), _FIRST_FIELDS):
            if tag in found and end - begin <= MOST_TEXT_BYTES:
                found[tag] = request[begin:end]
    try:
        return found[_REQUEST_ID].decode(), found[_MODEL].decode()
    except UnicodeDecodeError:
        return "", ""
