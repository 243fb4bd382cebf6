"""How much a ScoreRequest may hold; `contents` counts what one holds before anything is built of it."""

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
MOST_TEXT_BYTES = 1024  # of a name, a row key, and a label's key or value
UNREADABLE = "the bytes are not a scorebridge.v1.ScoreRequest"
_SHORT_BYTES = 4096  # a walk would cost more than all that so few bytes can hold
_FIRST_FIELDS = 16
_REQUEST_ID = pb.ScoreRequest.REQUEST_ID_FIELD_NUMBER << 3 | 2
_MODEL = pb.ScoreRequest.MODEL_FIELD_NUMBER << 3 | 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a message may hold.

    Attributes:
        columns: of its matrix or table.
        rows: of it; as many row keys, and values and missing rows of a column.
    """

    columns: int
    rows: int


def is_short(request: bytes) -> bool:
    """So few bytes need not be walked through: what they can hold is soon read, and soon refused."""
    return len(request) <= _SHORT_BYTES


def check_labels(count: int) -> None:
    """So many labels are not too many.

    Raises:
        InvalidRequest: they are.
    """
    if count > MOST_LABELS:
        raise too_many("labels", MOST_LABELS)


def check_text(what: str, length: int) -> None:
    """A text of so many bytes is not too long.

    Raises:
        InvalidRequest: it is; `what` it is, is said.
    """
    if length > MOST_TEXT_BYTES:
        raise InvalidRequest(
            f"{what} has {length} bytes, and may have {MOST_TEXT_BYTES}", limit=f"{MOST_TEXT_BYTES} bytes"
        )


def too_many(what: str, most: int) -> InvalidRequest:
    """The refusal of a message that holds more of something than it may."""
    return InvalidRequest(f"the message has more than {most} {what}", limit=f"{most} {what}")


def read_asked(request: bytes) -> tuple[str, str]:
    """Id and model of a request that will not be parsed, from its first fields; empty if they can't be read there."""
    found = {_REQUEST_ID: b"", _MODEL: b""}
    with suppress(NotAMessage, IndexError):
        for tag, begin, end in islice(read_fields(request, 0, len(request)), _FIRST_FIELDS):
            if tag in found and end - begin <= MOST_TEXT_BYTES:
                found[tag] = request[begin:end]
    try:
        return found[_REQUEST_ID].decode(), found[_MODEL].decode()
    except UnicodeDecodeError:
        return "", ""
