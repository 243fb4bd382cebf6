"""The rows of one call and what it says of them, checked before anything is sent, as messages."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from scorebridge.rows import read_rows
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MOST_BYTES", "MOST_ROWS", "Batch", "CallOptions"]

MOST_BYTES = 1 << 20  # above it one message holds up the gateway's others, and 4 MiB are refused
MOST_ROWS = 10_000

_LONGEST_ID = 128
_LONGEST_BIG_ID = 110  # the ids of its calls have a slash and the number of a row behind it


class CallOptions(TypedDict, total=False):
    """What else a call can say.

    Attributes:
        allow_default: False asks for an error where a default score would be given.
        partial: True asks for the other rows' scores where some rows can't be scored and have no default score; these
            come back missing, see `Scores.failed_rows`. Without it they fail the call, and so do those of a model that
            is not row-wise. If no row can be scored, the call fails either way.
        version: of the model; 0 for the one that serves.
        columns: names for the columns of an array or a sparse matrix; the model's own order is meant without.
        request_id: 1 to 128 printable ASCII characters, 110 at most for a big batch; a UUID is made without.
        row_keys: your own ids of the rows, one for each, for the prediction log.
        batch_id: the bigger batch that this call is a piece of, for the prediction log.
        labels: anything to be kept beside the call in the prediction log.
    """

    allow_default: bool
    partial: bool
    version: int
    columns: Iterable[str]
    request_id: str
    row_keys: Iterable[str]
    batch_id: str
    labels: Mapping[str, str]


class Batch:
    """Gives its rows as one message or in parts.

    Args:
        model: the model's name.
        rows: see `read_rows`.
        default: the default score, if there is one.
        options: what else the call says.

    Attributes:
        head: the message without rows and their keys.
        rows: how many.
        size: of rows and keys on the wire, bytes, about.
        is_big: it is better sent in several calls.

    Raises:
        TypeError: the rows are of a kind that no model takes, or names or keys are no text.
        ValueError: columns, names or keys are too many or too few, or a value can't be sent.
    """

    def __init__(self, model: str, rows: Any, default: float | None, options: CallOptions) -> None:
        columns = options.get("columns")
        self._features = read_rows(rows, None if columns is None else _texts("columns", columns))
        self._keys = _texts("row_keys", options.get("row_keys", ()))
        self.rows = self._features.count
        if self._keys and len(self._keys) != self.rows:
            raise ValueError(f"{len(self._keys)} row_keys for {self.rows} rows")
        self.size = self._features.size + sum(map(len, self._keys))
        self.is_big = self.rows > 1 and (self.size > MOST_BYTES or self.rows > MOST_ROWS)
        self.head = pb.ScoreRequest(
            request_id=_request_id(options.get("request_id"), _LONGEST_BIG_ID if self.is_big else _LONGEST_ID),
            model=model,
            version=options.get("version", 0),
            batch_id=options.get("batch_id", ""),
            labels=options.get("labels"),
            partial=options.get("partial", False),
        )
        if not options.get("allow_default", True):
            self.head.default_policy = pb.DEFAULT_POLICY_NEVER
        if default is not None:
            self.head.default_score = default

    def message(self) -> pb.ScoreRequest:
        """The whole."""
        return self.part(0, self.rows)

    def part(self, first: int, rows: int) -> pb.ScoreRequest:
        """Neighbouring rows with their keys, and all else that the call says."""
        request = pb.ScoreRequest()
        request.CopyFrom(self.head)
        request.row_keys.extend(self._keys[first : first + rows])
        self._features.fill(request, first, rows)
        return request


def _texts(argument: str, values: Iterable[str]) -> list[str]:
    # A text is an iterable of texts too, but nobody means its letters.
    listed = list(values) if isinstance(values, Iterable) and not isinstance(values, str) else None
    if listed is None or not all(issubclass(kind, str) for kind in set(map(type, listed))):
        raise TypeError(f"{argument} must be a list of texts, or an array or index of them")
    return listed


def _request_id(given: str | None, longest: int) -> str:
    if not given:
        return str(uuid.uuid4())
    if not (isinstance(given, str) and len(given) <= longest and given.isascii() and given.isprintable()):
        whose = " of a batch that is sent in several calls" if longest == _LONGEST_BIG_ID else ""
        raise ValueError(f"the request_id{whose} must be 1 to {longest} printable ASCII characters")
    return given
