"""Columns from arrays of JSON: exact, or refused with the column and the row.

Whole numbers are INT64; numbers of which one has a fraction or an exponent are DOUBLE, and whole numbers beside it must
be ones that a double holds. Without any value a column is DOUBLE and missing in every row.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bridge.codecs.json.documents import Members, name_text, said
from bridge.codecs.runs import RUN
from bridge.columns import Array, Column, Mask, Table, Type
from bridge.errors import InvalidRequest

__all__ = ["read_columns", "read_rows"]

_NUMBERS = frozenset({int, float})


def read_columns(columns: Members, *, escaped: bool) -> Table:
    """Returns the table of an object of arrays.

    Args:
        columns: the arrays by the columns' names.
        escaped: whether texts may hold NUL or halves of surrogate pairs, and are looked through for them.

    Raises:
        InvalidRequest: there is no column or row, arrays differ in length, or a value is none that a column can hold.
    """
    if not columns.names:
        raise InvalidRequest("'columns' has no columns")
    for name, values in zip(columns.names, columns.values, strict=True):
        if not isinstance(values, list):
            raise InvalidRequest(f"column {name_text(name)} is {said(values)}: it must be an array, with a value a row")
    rows = len(columns.values[0])
    for name, values in zip(columns.names, columns.values, strict=True):
        if len(values) != rows:
            first = name_text(columns.names[0])
            raise InvalidRequest(f"column {name_text(name)} has {len(values)} rows, column {first} has {rows}")
    if not rows:
        raise InvalidRequest("the columns have no rows")
    return _table(columns.names, columns.values, rows, escaped=escaped)


def read_rows(rows: list[Any], *, escaped: bool) -> Table:
    """Returns the table of an array of objects, which must all have the first one's names, in any order.

    Args:
        rows: the objects.
        escaped: whether texts may hold NUL or halves of surrogate pairs, and are looked through for them.

    Raises:
        InvalidRequest: there is no row, a row has other names than the first, or a value is none of a column.
    """
    if not rows:
        raise InvalidRequest("'rows' has no rows")
    for row, members in enumerate(rows):
        if not isinstance(members, Members):
            raise InvalidRequest(f"row {row} is {said(members)}: it must be an object, with a value for each column")
    names = rows[0].names
    if not names:
        raise InvalidRequest("row 0 has no columns")
    values = [
        members.values if members.names is names else _in_order(row, members, names) for row, members in enumerate(rows)
    ]
    columns = [[one[place] for one in values] for place in range(len(names))]
    return _table(names, columns, len(rows), escaped=escaped)


def _in_order(row: int, members: Members, names: tuple[str, ...]) -> tuple[Any, ...]:
    """Returns the values of a row in the order of the first row's names."""
    found = dict(zip(members.names, members.values, strict=True))
    if (absent := next((name for name in names if name not in found), None)) is not None:
        raise InvalidRequest(f"row {row} lacks {name_text(absent)}, which row 0 has: write null where it is missing")
    if len(found) > len(names):
        known = set(names)
        other = next(name for name in members.names if name not in known)
        raise InvalidRequest(f"row {row} has {name_text(other)}, which row 0 lacks: write null where it is missing")
    return tuple(found[name] for name in names)


def _table(names: Sequence[str], columns: Sequence[Sequence[Any]], rows: int, *, escaped: bool) -> Table:
    read = (_column(name, values, escaped=escaped) for name, values in zip(names, columns, strict=True))
    return Table(tuple(read), rows)


def _column(name: str, values: Sequence[Any], *, escaped: bool) -> Column:
    kinds = {kind for run in _runs(values) for kind in set(map(type, run))}
    kinds.discard(type(None))
    if not kinds:
        return Column(name, Type.DOUBLE, np.full(len(values), np.nan))
    if kinds == {int}:
        return _whole_numbers(name, values)
    if kinds <= _NUMBERS:
        return _doubles(name, values, mixed=int in kinds)
    if kinds == {bool}:
        return _masked(name, Type.BOOL, values, placeholder=False)
    if kinds == {str}:
        if escaped:
            _check_texts(name, values)
        return _masked(name, Type.STRING, values, placeholder="")
    raise _mixed(name, values)


def _runs(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yields the values in parts that numpy converts in less than a millisecond, so that other threads get on."""
    return (values[first : first + RUN] for first in range(0, len(values), RUN))


def _whole_numbers(name: str, values: Sequence[Any]) -> Column:
    try:
        return _masked(name, Type.INT64, values, placeholder=0)
    except OverflowError:
        return _doubles(name, values, mixed=True)


def _doubles(name: str, values: Sequence[Any], *, mixed: bool) -> Column:
    if mixed:
        for row, number in enumerate(values):
            if type(number) is int and not _is_double(number):
                raise _in_row(name, row, ": a whole number that no double holds exactly")
    array = np.concatenate([np.array(run, np.float64) for run in _runs(values)])
    if (infinite := np.isinf(array)).any():
        row = int(infinite.argmax())
        raise _in_row(name, row, ": a number that is too large for a double")
    return Column(name, Type.DOUBLE, array)


def _is_double(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _masked(name: str, kind: Type, values: Sequence[Any], *, placeholder: Any) -> Column:
    mask: Mask = np.zeros(len(values), np.bool_)
    array: Array = np.empty(len(values), kind.dtype)
    for number, run in enumerate(_runs(values)):
        part = slice(number * RUN, number * RUN + len(run))
        if None in run:
            mask[part] = [value is None for value in run]
            array[part] = [placeholder if value is None else value for value in run]
        else:
            array[part] = run
    return Column(name, kind, array, mask if mask.any() else None)


def _check_texts(name: str, values: Sequence[Any]) -> None:
    for row, text in enumerate(values):
        if text is None:
            continue
        if "\0" in text:
            raise _in_row(name, row, ": holds a NUL character")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _in_row(name, row, ": holds half of a surrogate pair") from None


def _in_row(name: str, row: int, fault: str) -> InvalidRequest:
    return InvalidRequest(f"column {name_text(name)}, row {row}{fault}", column=name, row=row)


def _mixed(name: str, values: Sequence[Any]) -> InvalidRequest:
    """Returns the error of a column with an array or an object among its values, or with values of several kinds."""
    present = [(row, value) for row, value in enumerate(values) if value is not None]
    for row, value in present:
        if isinstance(value, list | Members):
            expected = "a value is a number, true, false, text or null"
            return _in_row(name, row, f" is {said(value)}: {expected}")
    first, kind = present[0][0], said(present[0][1])
    row, other = next((row, said(value)) for row, value in present if said(value) != kind)
    return InvalidRequest(
        f"column {name_text(name)} holds {kind} in row {first} and {other} in row {row}: send one kind in a column"
    )
