"""One call's rows and options, checked before anything is sent, and the request messages made from them."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from scorebridge.arguments import check_flag, check_id, check_text, check_version, read_keys, read_labels, read_texts
from scorebridge.rows import read_rows
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MOST_BYTES", "MOST_ROWS", "Batch", "CallOptions"]

MOST_BYTES = 1 << 20  # a larger message delays the gateway's other calls, and over 4 MiB it is refused
MOST_ROWS = 10_000

_LONGEST_ID = 128
_LONGEST_BIG_ID = 110  # of a big batch: each chunk's id is this id, a slash and the number of the chunk's first row


class CallOptions(TypedDict, total=False):
    """The keywords of `score` beside model, rows, timeout and default score.

    Attributes:
        allow_default: False asks for an error where a default score would be given; True if not given.
        partial: True asks for the scores of the other rows if some rows can't be scored and have no default score. The
            failed rows' scores are then missing (`Scores.failed_rows`). Without `partial`, and with any model that is
            not row-wise, one failed row fails the call. If no row can be scored, the call fails in any case.
        ignore_extra: True asks the gateway to ignore columns that the model does not know, instead of refusing the
            call; columns of a kind that no model takes, such as times, are then not sent. The prediction log names the
            columns that the gateway ignored.
        version: the number of the model's version; 0, as if not given, for the version that serves.
        columns: the column names of an array or a sparse matrix; without names, its columns are the model's features
            in the model's own order.
        request_id: the call's id: a UUID, or 1 to 128 printable ASCII characters (110 for a big batch); the client
            makes a UUID if none is given.
        row_keys: your own ids of the rows, for the prediction log: one text, whole number or UUID for each row. Or the
            name of the column, or of a pandas frame's index, that holds them; that column is then not a feature.
        batch_id: the id of the bigger batch that this call's rows belong to, for the prediction log.
        labels: texts by name that the prediction log keeps with the call; at most 64, each of at most 1 KiB.
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
    """The rows of one call, which can be sent in one request or in chunks.

    Args:
        model: the model's name.
        rows: the rows, in any of the forms that `read_rows` takes.
        default: the default score; None for none.
        options: the other keywords of the call.

    Attributes:
        head: the request without its rows and row keys.
        rows: the number of rows.
        size: the size of rows and row keys in a request, about, bytes.
        is_big: whether the batch is to be sent in chunks if its model is row-wise: over 10,000 rows or 1 MiB.

    Raises:
        TypeError: the rows are of a kind that no model takes, or names or keys are not text.
        ValueError: there are too many or too few columns, names or keys, or a value can't be sent.
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
        """Returns the request with all rows of the batch."""
        return self.chunk(0, self.rows)

    def chunk(self, first: int, rows: int) -> pb.ScoreRequest:
        """Returns the request with `rows` neighbouring rows from row `first` on, their keys and the call's options."""
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
