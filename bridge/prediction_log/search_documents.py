"""Documents of a search engine, made of logged calls: one for each row, or one for each call."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import quote

from bridge.prediction_log.lookups import LOOKED_UP, LOOKUP, OPERAND
from bridge.prediction_log.reader import Entry
from bridge.prediction_log.rows import (
    INPUT,
    SCORE,
    LoggedCall,
    call_fields,
    marked_rows,
    read_call,
    rows_of,
    values_of,
)

__all__ = [
    "GROUPS",
    "UNINDEXED",
    "Fields",
    "Withhold",
    "call_document",
    "index_suffix",
    "invented",
    "row_documents",
    "unindexed",
]

GROUPS = (INPUT, LOOKED_UP, OPERAND, LOOKUP, SCORE)
UNINDEXED = "unindexed"
_MOST_VALUES = 200_000  # of a call in one document; at 20 characters each that is 4 MB
_NANOS = 10**9

Fields = dict[str, Any]
Withhold = Callable[[Fields], None]


def row_documents(entry: Entry, withhold: Withhold | None = None) -> Iterator[tuple[str, Fields]]:
    """Yields an id and a document for each row of a call; the id is the same whenever the record is read again.

    Args:
        entry: the record of the call.
        withhold: called with the fields of a row as `rows_of` names them, to take some out or replace their values.
            Inputs that the model did not take are left out then, as nobody can foresee what callers name them.
    """
    call = read_call(entry.record)
    apart: AbstractSet[str] | None = None
    for row in rows_of(call):
        number = row["row"] or 0
        _withhold(call, row, withhold)
        apart = _apart(call, row) if apart is None else apart
        yield f"{_record_id(entry)}-{number}", _nested(row, apart)


def call_document(entry: Entry, withhold: Withhold | None = None) -> tuple[str, Fields]:
    """Returns an id and a document for a call; a column's value is the list of its rows' values.

    Beside the call's fields it has `row_count`, `defaulted_rows` and `failed_rows`, the two by reason in `defaulted`
    and `failed`, and the seconds `queue_s` and `backend_s`. A call of more than 200,000 values has none of them, and
    says `values_left_out`.

    Args:
        entry: the record of the call.
        withhold: called with the call's fields, to take some out or replace their values. Inputs that the model did
            not take are left out then, as nobody can foresee what callers name them.
    """
    call = read_call(entry.record)
    fields = call_fields(call)
    for name in ("row", "source", "reason"):
        del fields[name]
    request, rows = call.request, call.rows
    fields["row_key"] = list(request.row_keys) if request is not None else []
    fields |= {"queue_s": call.record.queue_ns / _NANOS, "backend_s": call.record.backend_ns / _NANOS}
    fields |= _row_counts(call)
    columns = len(call.inputs or ()) + len(call.looked_up) + len(call.scores)
    fields["values_left_out"] = left_out = (rows or 0) * columns > _MOST_VALUES
    if left_out:
        fields["row_key"] = []
    else:
        fields |= values_of(call)
    _withhold(call, fields, withhold)
    return _record_id(entry), _nested(fields, _apart(call, fields))


def index_suffix(document: Fields) -> str:
    """Returns what stands behind the index name for a document: its model, which has columns and types of its own."""
    if not document["version"]:
        return "no-version"
    # An index takes lower case, and none of \ / * ? " < > | , # : or blanks; percent signs are allowed.
    return quote(document["model"], safe="").lower()


def unindexed(document: Fields) -> bool:
    """Moves a document's values to where no search engine looks at them; they are kept, and can't be searched.

    Returns:
        Whether there was any value that could be moved.
    """
    moved = {name: document.pop(name) for group in GROUPS if document.get(name := group.rstrip("."))}
    moved |= {"labels": document.pop("labels")} if document.get("labels") else {}
    if not moved:
        return False
    kept = document.setdefault(UNINDEXED, {})
    for name, values in moved.items():
        kept[name] = values | kept.get(name, {})
    return True


def _record_id(entry: Entry) -> str:
    return f"{entry.header.segment_id.hex()}-{entry.sequence}"


def _row_counts(call: LoggedCall) -> Fields:
    marks = marked_rows(call, call.rows or 0) if call.record.status == 0 else {}
    found: Fields = {"row_count": call.rows}
    for source, name in (("DEFAULT", "defaulted"), ("FAILED", "failed")):
        by_reason = Counter(reason for marked, reason in marks.values() if marked == source)
        found |= {f"{name}_rows": by_reason.total(), name: dict(by_reason)}
    return found


def _withhold(call: LoggedCall, fields: Fields, withhold: Withhold | None) -> None:
    if withhold is None:
        return
    for name in invented(call):
        fields.pop(name, None)
    withhold(fields)


def invented(call: LoggedCall) -> AbstractSet[str]:
    """Returns the names of inputs that the model did not take; callers may invent as many of them as they like."""
    inputs = call.inputs or ()
    if not call.accepted:
        return {INPUT + column.name for column in inputs}
    return {INPUT + inputs[place].name for place in call.record.ignored_columns if place < len(inputs)}


def _apart(call: LoggedCall, fields: Fields) -> AbstractSet[str]:
    """Returns the names of values that can be no fields, or that callers may invent.

    An index has a limited number of fields, and each one that a caller invents takes one of them for good.
    """
    names = {name for name in fields if name.startswith(GROUPS)}
    apart = names & invented(call)
    apart |= {name for name in names if not all(part.strip() for part in name.split("."))}
    fields_so_far = names - apart
    return apart | {name for name in fields_so_far if _is_below_another(name, fields_so_far)}


def _is_below_another(name: str, names: AbstractSet[str]) -> bool:
    """Whether a part of the name up to a dot is a name itself: a field is either a value or an object."""
    at = name.find(".", name.find(".") + 1)
    while at >= 0:
        if name[:at] in names:
            return True
        at = name.find(".", at + 1)
    return False


def _nested(fields: Fields, apart: AbstractSet[str]) -> Fields:
    document: Fields = {"input": {}, "score": {}, "infinite": []}
    for name, value in fields.items():
        group = next((prefix for prefix in GROUPS if name.startswith(prefix)), "")
        target = document.setdefault(UNINDEXED, {}) if name in apart else document
        target = target.setdefault(group.rstrip("."), {}) if group else target
        target[name.removeprefix(group)] = _finite(name, value, document["infinite"])
    return document


def _finite(name: str, value: Any, infinite: list[str]) -> Any:
    """Returns a value or list of values with None for infinite numbers, and notes each one: engines refuse them."""
    if isinstance(value, list):
        return [_finite(f"{name}[{place}]", one, infinite) for place, one in enumerate(value)] if value else value
    if isinstance(value, float) and math.isinf(value):
        infinite.append(f"{name}={'Infinity' if value > 0 else '-Infinity'}")
        return None
    return value
