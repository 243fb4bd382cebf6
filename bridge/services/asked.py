"""What a request asks for, whichever wire it came by, and the call that it makes of a version."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from bridge.calls import Arrival, Call, Deadline, DefaultScore
from bridge.columns import Batch, Matrix
from bridge.defaults import DefaultValue, default_scores
from bridge.errors import InvalidRequest
from bridge.features.extras import without_extras
from bridge.models.version import Version
from bridge.values import value

__all__ = ["Asked", "bind", "call_id", "is_request_id"]

_MAX_REQUEST_ID = 128
_NO_DEADLINE_S = 1e8  # for a call without a deadline pygrpc-native gives a huge number where grpcio gives None


@value
class Asked:
    """What a request asks for.

    Attributes:
        model: the name of the model.
        version: the number of the model's version; 0 stands for the one that serves.
        request_id: the caller's id of the call, unchecked; empty if the caller gave none.
        batch: a function that builds the request's rows, not yet bound to the model's features.
        row_keys: the number of row keys in the request.
        partial: whether rows that can be scored get their scores although others fail.
        ignore_extra: whether columns that the model does not know are ignored.
        default: the default score of this call; None stands for the model's own.
        defaults_allowed: whether rows may get default scores; None if the request has a policy unknown to this gateway.
        timeout_s: a time limit that the request itself states, in seconds; it can only shorten the caller's deadline.
        outputs: the names of the outputs that the answer is to have; empty for all.
        form: what the wire needs to write the answer in the form that was asked for; None where it has only one.
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
    timeout_s: float | None = None
    outputs: tuple[str, ...] = ()
    form: Any = None


def bind(
    asked: Asked, request_id: str, version: Version, arrival: Arrival, left_s: float | None, *, max_columns: int
) -> Call:
    """Makes a request's call: its rows bound to the version's features, its deadline and its default scores.

    Args:
        asked: what the request asks for.
        request_id: the id of the call, from `call_id`.
        version: the version that was resolved for the request.
        arrival: when and from whom the request came.
        left_s: seconds that the caller waits from the arrival on; None if it set no deadline.
        max_columns: the most columns of a batch, unless the version has more features.

    Raises:
        InvalidRequest: the request, its rows or its defaults are wrong; the message says what.
    """
    _check_outputs(asked.outputs, version)
    if asked.timeout_s is not None:
        left_s = asked.timeout_s if left_s is None else min(left_s, asked.timeout_s)
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
    """Returns the id of a call: the one that the caller gave, or a new UUID if it gave none.

    Raises:
        InvalidRequest: the caller's id is too long or has characters that are not printable ASCII.
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
    """Whether a text may be the id of a call: it has at most 128 characters, all printable ASCII."""
    return len(given) <= _MAX_REQUEST_ID and given.isascii() and given.isprintable()


def _bound(asked: Asked, version: Version, max_columns: int, *, alone: bool) -> tuple[Batch, tuple[int, ...]]:
    """Returns the rows bound to the model's features, and the positions of the caller's columns that were ignored."""
    most, keys = version.settings.max_batch_rows, asked.row_keys
    if keys > most:
        raise InvalidRequest(f"{keys} row_keys; {version.ref} takes at most {most} rows a call", limit=f"{most} rows")
    batch = asked.batch()
    columns = batch.values.shape[1] if isinstance(batch, Matrix) else len(batch.columns)
    if columns > max_columns and columns > version.width:
        widest = max(max_columns, version.width)
        raise InvalidRequest(f"{columns} columns; a call may have at most {widest}", limit=f"{widest} columns")
    rows = batch.rows
    if keys and keys != rows:
        raise InvalidRequest(f"{keys} row_keys for {rows} rows")
    if rows > most:
        raise InvalidRequest(f"{rows} rows; {version.ref} takes at most {most} rows a call", limit=f"{most} rows")
    if not rows and isinstance(batch, Matrix) and not batch.names:
        return batch, ()  # an empty matrix without names needs no checks
    ignored: tuple[int, ...] = ()
    known = version.feature_names if asked.ignore_extra else None
    if known is not None:
        batch, ignored = without_extras(batch, known)
    return version.bind(batch, alone=alone), ignored


def _check_outputs(names: Sequence[str], version: Version) -> None:
    known = None if version.outputs is None else {output.name for output in version.outputs}
    if known is None or known.issuperset(names):
        return
    unknown = next(name for name in names if name not in known)
    listed = ", ".join(f"'{name}'" for name in sorted(known))
    raise InvalidRequest(f"output '{unknown}' is none of {version.ref}, which gives {listed}")


def _defaults(asked: Asked, version: Version) -> tuple[DefaultScore, ...]:
    if asked.defaults_allowed is None:
        raise InvalidRequest("this gateway does not know the request's default_policy: the client may be newer than it")
    if not asked.defaults_allowed:
        return ()
    return version.defaults if asked.default is None else default_scores(asked.default, version.outputs)
