"""Turns rows that are mappings into columns, and says for any other rows what to pass instead."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["single_row", "table_of_rows", "why_no_rows"]

_TAKEN = "pass a frame, a table, a dict of columns, a list of dicts, an array or a sparse matrix"


def single_row(row: Mapping[Any, Any]) -> dict[Any, list[Any]] | None:
    """Returns the columns of a mapping that is one row of single values; None if the mapping holds columns.

    Raises:
        TypeError: the mapping holds both single values and columns; the message names one of each.
    """
    single = [name for name, value in row.items() if _is_single(value)]
    if not single:
        return None
    if len(single) < len(row):
        other = next(name for name in row if name not in set(single))
        kind = type(row[single[0]]).__name__
        raise TypeError(
            f"column '{single[0]}' is a {kind} and '{other}' a {type(row[other]).__name__}: pass columns, or single"
            " values for one row"
        )
    return {name: [value] for name, value in row.items()}


def table_of_rows(rows: Sequence[Any]) -> dict[Any, list[Any]]:
    """Returns the columns of rows that are mappings, in the order of first appearance; absent values are missing.

    Raises:
        TypeError: a row is not a mapping; the message gives its number, from 0.
    """
    columns: dict[Any, list[Any]] = {}
    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(f"row {at} is a {type(row).__name__}: {_remedy(row)}")
        for name, value in row.items():
            if name not in columns:
                columns[name] = [None] * len(rows)
            columns[name][at] = value
    return columns


def why_no_rows(rows: Any) -> str:
    """Returns the error message for rows of a type that can't be scored, with what to pass instead."""
    return f"rows can't be a {type(rows).__name__}: {_remedy(rows)}"


def _is_single(value: Any) -> bool:
    return isinstance(value, str) or not isinstance(value, Iterable)


# Recognised by their methods: the libraries need not be imported here.
_REMEDIES = (
    (("toPandas",), "pass its .toPandas(), or score it where it is, a part at a time"),
    (("collect", "lazy"), "pass its .collect()"),
    (("compute", "dask"), "pass its .compute()"),
    (("to_table",), "pass its .to_table()"),
    (("to_frame",), "pass its .to_frame() if it is a column; one row is a series whose index has the names, or a dict"),
    (("_asdict",), "pass a list of each row's ._asdict()"),
    (("__dataclass_fields__",), "pass a list of dataclasses.asdict(row) of each row"),
    (("model_dump",), "pass a list of each row's .model_dump()"),
    (("append", "extend"), "rows without names are a numpy array, with names a list of dicts"),
)


def _remedy(rows: Any) -> str:
    return next((remedy for able, remedy in _REMEDIES if all(hasattr(rows, one) for one in able)), _TAKEN)
