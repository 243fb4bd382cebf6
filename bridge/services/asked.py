"""What a request asks for, whatever wire it came by, and the call that it makes of a version."""

import uuid
from collections.abc import Callable

from bridge.calls import Arrival, Call, Deadline, DefaultScore
from bridge.columns import Batch, Matrix
from bridge.defaults import DefaultValue, default_scores
from bridge.errors import InvalidRequest
from bridge.features.extras import without_extras
from bridge.models.version import Version
from bridge.values import value

__all__ = ["Asked", "bind", "call_id", "is_request_id"]

_MAX_REQUEST_ID = 128
_NO_DEADLINE_S = 1e8  # pygrpc-native gives a huge number where grpcio gives None


@value
class Asked:
    """What a request says of the scores that it wants.

    Attributes:
        model: whose scores.
        version: of the model; 0 for the one that serves.
        request_id: as it came; empty for one to be made.
        batch: builds the rows, unbound, of what the request holds.
        row_keys: how many keys of rows it has.
        partial: rows that can't be scored are to leave the others their scores.
        ignore_extra: columns that the model does not know are to be ignored.
        default: the default score of this call; None for the model's own.
        defaults_allowed: None if the request says of it what this gateway does not know.
    """

    model: str
    version: int
    request_id: str
    batch: Callable[[], Batch]
    row_keys: int = 0
    partial: bool = False
    ignore_extra: bool = False
    default: DefaultValue | None = None
    defaults_allowed: bool | None = True


def bind(
    asked: Asked, request_id: str, version: Version, arrival: Arrival, left_s: float | None, *, max_columns: int
) -> Call:
    """The call that a request makes of a version: its rows as the model takes them, its deadline and its defaults.

    Args:
        asked: what the request says.
        request_id: the call's, see `call_id`.
        version: that was resolved for it.
        arrival: how it came.
        left_s: how long its caller waits from then on, seconds; None for any time.
        max_columns: of a batch, unless the version has more features.

    Raises:
        InvalidRequest: names what of the request, its rows or its defaults is wrong.
    """
    partial = asked.partial and version.row_wise
    batch, ignored = _bound(asked, version, max_columns, alone=partial)
    return Call(
        request_id=request_id,
        model=version.ref,
        batch=batch,
        arrived=arrival.at,
        deadline=None if left_s is None or left_s > _NO_DEADLINE_S else Deadline(arrival.at + left_s),
        defaults=_defaults(asked, version),
        caller=arrival.caller,
        partial=partial,
        ignored=ignored,
    )


def call_id(given: str) -> str:
    """The id that a call goes by: the caller's, or one that is made where he gives none.

    Raises:
        InvalidRequest: what he gives may not name a call.
    """
    if not given:
        return str(uuid.uuid4())
    if not is_request_id(given):
        raise InvalidRequest(
            f"request_id must be 1 to {_MAX_REQUEST_ID} printable ASCII characters",
            limit=f"{_MAX_REQUEST_ID} characters",
        )
    return given


def is_request_id(given: str) -> bool:
    """A text may name a call: up to 128 printable characters of ASCII."""
    return len(given) <= _MAX_REQUEST_ID and given.isascii() and given.isprintable()


def _bound(asked: Asked, version: Version, max_columns: int, *, alone: bool) -> tuple[Batch, tuple[int, ...]]:
    """The rows as the model takes them, and the places of columns that were ignored."""
    most, keys = version.settings.max_batch_rows, asked.row_keys
    if keys > most:
        raise InvalidRequest(f"{keys} row_keys; {version.ref} takes {most} rows", limit=f"{most} rows")
    batch = asked.batch()
    columns = batch.values.shape[1] if isinstance(batch, Matrix) else len(batch.columns)
    if columns > max_columns and columns > version.width:
        widest = max(max_columns, version.width)
        raise InvalidRequest(f"{columns} columns; a call has at most {widest}", limit=f"{widest} columns")
    rows = batch.rows
    if keys and keys != rows:
        raise InvalidRequest(f"{keys} row_keys for {rows} rows")
    if rows > most:
        raise InvalidRequest(f"{rows} rows; {version.ref} takes {most} a call", limit=f"{most} rows")
    if not rows and isinstance(batch, Matrix) and not batch.names:
        return batch, ()  # nothing in it could be wrong
    ignored: tuple[int, ...] = ()
    known = version.feature_names if asked.ignore_extra else None
    if known is not None:
        batch, ignored = without_extras(batch, known)
    return version.bind(batch, alone=alone), ignored


def _defaults(asked: Asked, version: Version) -> tuple[DefaultScore, ...]:
    if asked.defaults_allowed is None:
        raise InvalidRequest("default_policy is none that this gateway knows")
    if not asked.defaults_allowed:
        return ()
    return version.defaults if asked.default is None else default_scores(asked.default, version.outputs)
