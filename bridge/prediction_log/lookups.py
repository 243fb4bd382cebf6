"""Reads what was looked up for a logged call: as columns of an export, as lines to read, and as JSON."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.columns import Array, Column, Matrix, Type, all_missing, constant
from bridge.errors import InvalidRequest
from bridge.prediction_log.reasons import reason_name

__all__ = [
    "LOOKED_UP",
    "LOOKUP",
    "OPERAND",
    "columns_of",
    "lookup_columns",
    "lookup_lines",
    "lookup_listing",
]

LOOKED_UP, OPERAND, LOOKUP = "looked_up.", "operand.", "lookup."


def lookup_columns(record: log_pb.LogRecord, rows: int) -> tuple[Column, ...]:
    """Returns what was looked up for a call as columns with an entry for each row; none of a call without lookups.

    First come "looked_up.FEATURE" and "operand.LOOKUP.FEATURE", the values. An operand of a stream's group is named
    "operand.LOOKUP.0d/FEATURE" where it is of the lookup's own day, "1d" where it is of the day before, and so on, so
    that calls of all days have the same columns. Then come, for each lookup, "lookup.NAME.batch", "lookup.NAME.age_s",
    "lookup.NAME.failure", and "lookup.NAME.from", which says where a row's features come from: "current", "previous"
    or "missing"; missing itself where the record does not say it, as that of a refused call.

    Args:
        record: the record of the call.
        rows: the number of its rows; columns of another length can't be read and are left out.
    """
    if not record.lookups:
        return ()
    columns = [_renamed(column, LOOKED_UP + column.name) for column in columns_of(record.looked_up)]
    for one in record.lookups:
        name = one.lookup.name
        columns += [
            _renamed(column, f"{OPERAND}{name}.{_by_days_ago(column.name, one.lookup)}")
            for column in columns_of(one.operands)
        ]
    columns = [column for column in columns if len(column) == rows]
    for one in record.lookups:
        columns += _about(one, rows)
    return tuple(columns)


def columns_of(messages: Sequence[pb.Column]) -> tuple[Column, ...]:
    """Returns columns on record; none if they can't be read."""
    try:
        batch = read_batch(pb.ScoreRequest(table=pb.Table(columns=messages)))
    except InvalidRequest:
        return ()
    return () if isinstance(batch, Matrix) else batch.columns


def lookup_lines(record: log_pb.LogRecord) -> Iterator[str]:
    """Yields a sentence on each lookup of a call: store, batch, age, rows from elsewhere, and what went wrong."""
    for one in record.lookups:
        told = one.lookup
        said = [f"{told.name}: group {told.group} of store {one.store}"]
        if told.batch:
            said.append(f"batch {told.batch}" + (f", {_seconds(told)} s old" if told.HasField("age") else ""))
        if told.previous_rows:
            said.append(f"{_rows(told.previous_rows)} from batch {one.previous_batch}")
        if told.missing_rows:
            said.append(f"{_rows(told.missing_rows)} missing")
        said += [reason_name(told.failure)] if told.failure else []
        said += [one.detail] if one.detail else []
        yield "; ".join(said)


def lookup_listing(record: log_pb.LogRecord) -> list[dict[str, Any]]:
    """Returns what each lookup of a call gave as `log show --json` prints it; docs/prediction-log.md has the fields."""
    return [
        {
            "name": one.lookup.name,
            "store": one.store,
            "group": one.lookup.group,
            "batch": one.lookup.batch or None,
            "age_s": _age_s(one.lookup),
            "previous_batch": one.previous_batch or None,
            "previous_rows": one.lookup.previous_rows,
            "missing_rows": one.lookup.missing_rows,
            "failure": _failure(one.lookup),
            "detail": one.detail or None,
        }
        for one in record.lookups
    ]


def _about(one: log_pb.LoggedLookup, rows: int) -> list[Column]:
    told, prefix = one.lookup, f"{LOOKUP}{one.lookup.name}."
    age_s = _age_s(told)
    return [
        _text(f"{prefix}batch", told.batch, rows),
        constant(f"{prefix}age_s", Type.DOUBLE, np.nan if age_s is None else age_s, rows),
        _text(f"{prefix}failure", _failure(told) or "", rows),
        _origins(one, f"{prefix}from", rows),
    ]


def _text(name: str, text: str, rows: int) -> Column:
    return constant(name, Type.STRING, text, rows) if text else all_missing(name, Type.STRING, rows)


def _origins(one: log_pb.LoggedLookup, name: str, rows: int) -> Column:
    told = one.lookup
    if told.failure:
        return constant(name, Type.STRING, "missing", rows)
    if (len(one.previous_rows), len(one.missing_rows)) != (told.previous_rows, told.missing_rows):
        return all_missing(name, Type.STRING, rows)
    origins = constant(name, Type.STRING, "current", rows)
    for origin, listed in (("previous", one.previous_rows), ("missing", one.missing_rows)):
        places: Array = np.array(listed, np.int64)
        origins.values[places[places < rows]] = origin
    return origins


def _by_days_ago(name: str, told: pb.Lookup) -> str:
    day, slash, feature = name.partition("/")
    if told.HasField("age") or not slash:
        return name
    try:
        days = (date.fromisoformat(told.batch) - date.fromisoformat(day)).days
    except ValueError:
        return name
    return f"{days}d/{feature}"


def _renamed(column: Column, name: str) -> Column:
    return Column(name, column.type, column.values, column.mask)


def _age_s(told: pb.Lookup) -> float | None:
    return told.age.ToNanoseconds() / 1e9 if told.HasField("age") else None


def _failure(told: pb.Lookup) -> str | None:
    return reason_name(told.failure) if told.failure else None


def _seconds(told: pb.Lookup) -> str:
    return f"{_age_s(told):.9g}"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
