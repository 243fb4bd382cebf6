"""Turns rows (frames, tables, dicts, arrays, sparse matrices) into messages of scorebridge.v1, whole or in chunks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from scorebridge.columns import build_column, column_rows, cut_column, library
from scorebridge.held import single_row, table_of_rows, why_no_rows
from scorebridge.matrices import MatrixRows, SparseRows
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["TableRows", "read_rows"]

_Column = tuple[str, Any]


def read_rows(
    rows: Any, columns: Sequence[str] | None = None, *, key: str | None = None, ignore_extra: bool = False
) -> "MatrixRows | SparseRows | TableRows":
    """Returns the checked rows of a call, in the class that can send them.

    Args:
        rows: a pandas or polars frame, a pyarrow table or record batch, a mapping from names to columns, a list of
            mappings, one row as a mapping or as a pandas series with names, a numpy array of numbers, shape
            (rows, columns), or a sparse matrix of scipy. Missing are NaN, None, NaT, NA, nulls, the entries that a
            sparse matrix does not hold, and the names that a mapping in a list leaves out.
        columns: the column names of an array or a sparse matrix; None if its columns are in the model's own order.
        key: the name of the column, or of a pandas frame's index, that holds the row keys and is not a feature.
        ignore_extra: whether a column of a kind that no model takes is left out, instead of raising a TypeError.

    Raises:
        TypeError: the rows, or a column of them, are of a kind that no model takes.
        ValueError: a column's length differs, two columns have one name, there is no column of the keys, or a value
            can't be sent.
    """
    if isinstance(rows, np.ndarray) or (library(rows) == "scipy" and hasattr(rows, "tocsr")):
        if key is not None:
            raise TypeError("row_keys is a column's name, but an array or a sparse matrix has none: pass the keys")
        return MatrixRows(rows, columns) if isinstance(rows, np.ndarray) else SparseRows(rows, columns)
    if columns is not None:
        raise TypeError("columns is for an array or a sparse matrix; these rows have column names of their own")
    return TableRows(rows, key, ignore_extra=ignore_extra)


class TableRows:
    """Rows of named columns.

    Args:
        rows: a frame, a table, a mapping or a list of mappings.
        key: the name of the column, or of a pandas frame's index, that holds the row keys; None for no such column.
        ignore_extra: whether a column of a kind that no model takes is left out, instead of raising a TypeError.

    Attributes:
        count: the number of rows.
        size: the size of the columns in a request, bytes.
        keys: the column of the row keys, as the caller gave it; None if there is none.

    Raises:
        TypeError: the rows, or a column of them, are of a kind that no model takes.
        ValueError: a column's length differs, two columns have one name, there is no column of the keys, or a value
            can't be sent.
    """

    def __init__(self, rows: Any, key: str | None = None, *, ignore_extra: bool = False) -> None:
        named, self.keys = _without_key(_columns_of(rows), rows, key)
        self._columns = [column for name, values in named if (column := _built(name, values, ignore_extra)) is not None]
        self.count = column_rows(self._columns[0]) if self._columns else 0
        self.size = sum(column.ByteSize() for column in self._columns)
        for column in self._columns:
            if (own := column_rows(column)) != self.count:
                first = self._columns[0].name
                raise ValueError(f"column '{column.name}' has {own} rows, '{first}' has {self.count}")

    def fill(self, request: pb.ScoreRequest, first: int, count: int) -> None:
        """Adds `count` rows, from row `first` on, to a request."""
        request.table.SetInParent()
        whole = count == self.count
        request.table.columns.extend(
            self._columns if whole else (cut_column(column, first, count) for column in self._columns)
        )


def _built(name: str, values: Any, ignore_extra: bool) -> pb.Column | None:
    try:
        return build_column(name, values)
    except TypeError:
        if ignore_extra:
            return None  # if the model does need the column, the gateway refuses the call because it is missing
        raise


def _columns_of(rows: Any) -> list[_Column]:
    names, columns = _names_and_columns(rows)
    seen = set[str]()
    for name in names:
        if name in seen:
            raise ValueError(f"two columns are named '{name}'")
        seen.add(name)
    return list(zip(names, columns, strict=True))


def _without_key(named: list[_Column], rows: Any, key: str | None) -> tuple[list[_Column], Any]:
    if key is None:
        return named, None
    found = [values for name, values in named if name == key]
    index = getattr(rows, "index", None) if library(rows) == "pandas" else None
    if not found and index is not None and index.name == key:
        found = [index]
    if not found:
        raise ValueError(f"row_keys names the column '{key}', but the rows have no such column")
    return [(name, values) for name, values in named if name != key], found[0]


def _names_and_columns(rows: Any) -> tuple[list[str], Iterable[Any]]:
    if isinstance(rows, Mapping):
        columns = single_row(rows) or rows
        return _mapping_names(columns), columns.values()
    if isinstance(rows, list | tuple):
        columns = table_of_rows(rows)
        return _mapping_names(columns), columns.values()
    known = library(rows)
    if known == "pandas" and hasattr(rows, "columns"):
        # By position: a label of several parts, or a part of one, would select more than one column.
        return _pandas_names(rows.columns), (series for _, series in rows.items())
    if known == "polars" and hasattr(rows, "get_columns"):
        return list(rows.columns), rows.get_columns()
    if known == "pyarrow" and hasattr(rows, "schema") and hasattr(rows, "column"):
        return list(rows.schema.names), (rows.column(at) for at in range(len(rows.schema.names)))
    if known == "pandas" and hasattr(rows, "to_dict") and _has_names(rows.index):
        columns = table_of_rows([dict(zip(rows.index, rows, strict=True))])
        return list(columns), columns.values()
    raise TypeError(why_no_rows(rows))


def _has_names(index: Any) -> bool:
    return bool(len(index)) and all(isinstance(label, str) for label in index)


def _mapping_names(columns: Mapping[Any, Any]) -> list[str]:
    return [str(name) for name in columns]


def _pandas_names(labels: Any) -> list[str]:
    """Returns column names as xgboost forms them: a MultiIndex's parts joined by blanks, any other label as text."""
    several = hasattr(labels, "levels")
    return [" ".join(map(str, label)) if several else str(label) for label in labels]
