"""The rows of one call and what it says of them, checked before anything is sent, as messages."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from scorebridge.arguments import check_flag, check_id, check_text, check_version, read_keys, read_labels, read_texts
from scorebridge.rows import read_rows
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MOST_BYTES", "MOST_ROWS", "Batch", "CallOptions"]

MOST_BYTES = 1 << 20  # above it one message holds up the gateway's others, and 4 MiB are refused
MOST_ROWS = 10_000

_LONGEST_ID = 128
_LONGEST_BIG_ID = 110  # the ids of its calls have a slash and the number of a row behind it


class CallOptions(TypedDict, total=False):
    """What a call of `score` can say beside model, rows, timeout and default score.

    Attributes:
        allow_default: False asks for an error where a default score would be given.
        partial: True asks for the other rows' scores where some rows can't be scored and have no default score; these
            come back missing, see `Scores.failed_rows`. Without it they fail the call, and so do those of a model that
            is not row-wise. If no row can be scored, the call fails either way.
        ignore_extra: True has columns ignored that the model does not know, instead of an error; and those of a kind
            that no model takes, such as times, are not sent. Which ones were ignored is in the prediction log.
        version: of the model; 0 for the one that serves.
        columns: names for the columns of an array or a sparse matrix; the model's own order is meant without.
        request_id: a UUID, or 1 to 128 printable ASCII characters, 110 at most for a big batch; one is made without.
        row_keys: your own ids of the rows, for the prediction log: one for each, texts, whole numbers or UUIDs; or the
            name of the column that holds them, which is then no feature, or that of a pandas frame's index.
        batch_id: the id of the bigger batch that this call is a chunk of, for the prediction log.
        labels: texts by name that are kept beside the call in the prediction log, 64 at most, of 1 KiB each.
    """

    allow_default: bool
    partial: bool
    ignore_extra: bool
    version: int
    columns: Iterable[str]
    request_id: str | uuid.UUID
    row_keys: str | Iterable[str | int | uuid.UUID]
    batch_id: str | uuid.UUID
    labels: Mapping[str, str]


class Batch:
    """Gives its rows as one message or in chunks.

    Args:
        model: the model's name.
        rows: in any of the forms that `read_rows` takes.
        default: the default score, if there is one.
        options: what else the call says.

    Attributes:
        head: the message of the call, without rows and their keys.
        rows: how many rows there are.
        size: of rows and keys on the wire, bytes, about.
        is_big: the batch is better sent in chunks.

    Raises:
        TypeError: the rows are of a kind that no model takes, or names or keys are no text.
        ValueError: columns, names or keys are too many or too few, or a value can't be sent.
    """

    def __init__(self, model: str, rows: Any, default: float | None, options: CallOptions) -> None:
        columns = options.get("columns")
        keys = options.get("row_keys", ())
        ignore_extra = check_flag("ignore_extra", options.get("ignore_extra", False))
        self._features = read_rows(
            rows,
            None if columns is None else read_texts("columns", columns),
            key=keys if isinstance(keys, str) else None,
            ignore_extra=ignore_extra,
        )
        self._keys = read_keys(self._features.keys if isinstance(keys, str) else keys)
        self.rows = self._features.count
        if self._keys and len(self._keys) != self.rows:
            raise ValueError(f"{len(self._keys)} row_keys for {self.rows} rows")
        self.size = self._features.size + sum(map(len, self._keys))
        self.is_big = self.rows > 1 and (self.size > MOST_BYTES or self.rows > MOST_ROWS)
        batch_id = options.get("batch_id", "")
        self.head = pb.ScoreRequest(
            request_id=_request_id(options.get("request_id"), big=self.is_big),
            model=check_text("model", model),
            version=check_version(options.get("version", 0)),
            batch_id=str(batch_id) if isinstance(batch_id, uuid.UUID) else check_text("batch_id", batch_id, empty=True),
            labels=read_labels(options.get("labels")),
            partial=check_flag("partial", options.get("partial", False)),
            ignore_extra=ignore_extra,
        )
        if not check_flag("allow_default", options.get("allow_default", True)):
            self.head.default_policy = pb.DEFAULT_POLICY_NEVER
        if default is not None:
            self.head.default_score = default

    def message(self) -> pb.ScoreRequest:
        """The message of the whole batch."""
        return self.chunk(0, self.rows)

    def chunk(self, first: int, rows: int) -> pb.ScoreRequest:
        """The message of neighbouring rows: with their keys, and all else that the call says."""
        request = pb.ScoreRequest()
        request.CopyFrom(self.head)
        request.row_keys.extend(self._keys[first : first + rows])
        self._features.fill(request, first, rows)
        return request


def _request_id(given: object, *, big: bool) -> str:
    if given is None:
        return str(uuid.uuid4())
    whose = " of a batch that is sent in several calls" if big else ""
    return check_id("request_id", given, _LONGEST_BIG_ID if big else _LONGEST_ID, whose)
