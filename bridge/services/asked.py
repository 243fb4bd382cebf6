"""What a request asks for, whichever wire it came by, and the call that it makes of a version."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bridge.calls import Arrival, Call, Deadline, DefaultScore
from bridge.columns import Batch, Matrix
from bridge.defaults import DefaultValue, default_scores
from bridge.errors import InvalidRequest, UnknownLevel
from bridge.features.extras import without_extras
from bridge.features.lookups.joining import Joined
from bridge.models.version import Version
from bridge.values import value

__all__ = ["Asked", "CallDraft", "Rows", "call_id", "deadline_of", "is_request_id"]

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


@value
class Rows:
    """The rows of a request, not yet bound to the features of its version.

    Attributes:
        batch: the rows.
        ignored: the places of the request's columns that the caller had ignored, and that are not in the batch.
    """

    batch: Batch
    ignored: tuple[int, ...] = ()

    def places(self) -> tuple[int, ...]:
        """Returns the places in the request of the batch's columns."""
        columns = len(self.batch.names) if isinstance(self.batch, Matrix) else len(self.batch.columns)
        if not self.ignored:
            return tuple(range(columns))
        return tuple(place for place in range(columns + len(self.ignored)) if place not in self.ignored)


def deadline_of(asked: Asked, arrival: Arrival, left_s: float | None) -> Deadline | None:
    """Returns the deadline of a request's call; None if there is none.

    Args:
        asked: what the request asks for.
        arrival: when the request came.
        left_s: seconds that the caller waits from the arrival on; None if it set no deadline.
    """
    if asked.timeout_s is not None:
        left_s = asked.timeout_s if left_s is None else min(left_s, asked.timeout_s)
    return None if left_s is None or left_s > _NO_DEADLINE_S else Deadline(arrival.at + left_s)


@value
class CallDraft:
    """A request on its way to a call of the version that was resolved for it.

    Attributes:
        asked: what the request asks for.
        request_id: the id of the call, from `call_id`.
        version: the version.
        arrival: when and from whom the request came.
        deadline: the deadline of the call, from `deadline_of`.
        max_columns: the most columns of a batch, unless the version has more features.
    """

    asked: Asked
    request_id: str
    version: Version
    arrival: Arrival
    deadline: Deadline | None
    max_columns: int

    def take_and_bind(self) -> Call:
        """Returns the call of a request whose rows hold all features: what `take_rows` and `bind` do, in one step.

        Raises:
            InvalidRequest: the request, its rows or its defaults are wrong; the message says what.
        """
        return self.bind(self.take_rows())

    def take_rows(self) -> Rows:
        """Returns the rows of the request, which are no more than the version takes.

        Raises:
            InvalidRequest: the request has too many rows or columns, or its parts don't fit one another.
        """
        asked, version = self.asked, self.version
        _check_outputs(asked.outputs, version)
        most, keys = version.settings.max_batch_rows, asked.row_keys
        limit = f"{most} rows"
        if keys > most:
            raise InvalidRequest(f"{keys} row_keys; {version.ref} takes at most {limit} a call", limit=limit)
        batch = asked.batch()
        columns = batch.values.shape[1] if isinstance(batch, Matrix) else len(batch.columns)
        if columns > self.max_columns and columns > version.width:
            widest = max(self.max_columns, version.width)
            raise InvalidRequest(f"{columns} columns; a call may have at most {widest}", limit=f"{widest} columns")
        rows = batch.rows
        if keys and keys != rows:
            raise InvalidRequest(f"{keys} row_keys for {rows} rows")
        if rows > most:
            raise InvalidRequest(f"{rows} rows; {version.ref} takes at most {limit} a call", limit=limit)
        known = version.column_names if asked.ignore_extra else None
        return Rows(batch) if known is None or _is_blank(batch) else Rows(*without_extras(batch, known))

    def bind(self, rows: Rows, joined: Joined | None = None) -> Call:
        """Returns the call: its rows bound to the version's features, its deadline and its default scores.

        Args:
            rows: the request's rows, from `take_rows`.
            joined: the rows with what was looked up for them; None if nothing was.

        Raises:
            InvalidRequest: the rows or the defaults are wrong; the message says what.
        """
        partial = self.asked.partial and self.version.row_wise
        return Call(
            request_id=self.request_id,
            model=self.version.ref,
            batch=_bound(rows.batch, self.version, joined, alone=partial),
            arrived=self.arrival.at,
            deadline=self.deadline,
            defaults=_defaults(self.asked, self.version),
            caller=self.arrival.caller,
            partial=partial,
            ignored=rows.ignored,
            looked_up=None if joined is None else joined.looked_up,
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


def _is_blank(batch: Batch) -> bool:
    """Whether a batch is an empty matrix without names, which needs no checks."""
    return isinstance(batch, Matrix) and not batch.rows and not batch.names


def _bound(batch: Batch, version: Version, joined: Joined | None, *, alone: bool) -> Batch:
    if joined is None:
        return batch if _is_blank(batch) else version.bind(batch, alone=alone)
    lost = joined.unfit
    if not lost:
        return version.bind(joined.table, alone=alone)
    # Rows without features have placeholders there: what is wrong with these must not refuse the others.
    bound = version.bind(joined.table, alone=True)
    placeholders = {column.name for column in joined.looked_up.columns}
    others = {
        row: unfit
        for row, unfit in (bound.unfit or {}).items()
        if row not in lost or (unfit.column not in placeholders and unfit.error is not UnknownLevel)
    }
    if not alone and (refused := [row for row, unfit in others.items() if unfit.error is not UnknownLevel]):
        raise others[min(refused)].of(min(refused))
    return replace(bound, unfit={**lost, **others})


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
