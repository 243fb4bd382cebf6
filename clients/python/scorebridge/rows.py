"""Rows in any of the forms that data scientists hold them in, as messages of scorebridge.v1, whole or in parts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from scorebridge.columns import build_column, column_rows, cut_column, library
from scorebridge.matrices import MatrixRows, SparseRows
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["TableRows", "read_rows"]


def read_rows(rows: Any, columns: Sequence[str] | None = None) -> "MatrixRows | SparseRows | TableRows":
    """The rows of a call, checked.

    Args:
        rows: a pandas or polars frame, a pyarrow table or record batch, a mapping from names to columns, a numpy array
            of numbers, shape (rows, columns), or a sparse matrix of scipy. NaN, None, NaT, NA and nulls are missing,
            and what a sparse matrix does not hold.
        columns: the names of an array's or a sparse matrix' columns; the model's own order is meant without.

    Raises:
        TypeError: the rows, or a column of them, are of a kind that no model takes.
        ValueError: a column's length differs, two columns have one name, or a value can't be sent.
    """
    if isinstance(rows, np.ndarray):
        return MatrixRows(rows, columns)
    if library(rows) == "scipy" and hasattr(rows, "tocsr"):
        return SparseRows(rows, columns)
    if columns is not None:
        raise TypeError("columns= names the columns of an array or a sparse matrix; these rows have names of their own")
    return TableRows(rows)


class TableRows:
    """Rows of named columns; has what `MatrixRows` has."""

    def __init__(self, rows: Any) -> None:
        self._columns = [build_column(name, values) for name, values in _columns_of(rows)]
        self.count = column_rows(self._columns[0]) if self._columns else 0
        self.size = sum(column.ByteSize() for column in self._columns)
        for column in self._columns:
            if (own := column_rows(column)) != self.count:
                first = self._columns[0].name
                raise ValueError(f"column '{column.name}' has {own} rows, '{first}' has {self.count}")

    def fill(self, request: pb.ScoreRequest, first: int, count: int) -> None:
        """Puts neighbouring rows into a request."""
        request.table.SetInParent()
        whole = count == self.count
        request.table.columns.extend(
            self._columns if whole else (cut_column(column, first, count) for column in self._columns)
        )


def _columns_of(rows: Any) -> Iterable[tuple[str, Any]]:
    names, columns = _names_and_columns(rows)
    seen = set[str]()
    for name in names:
        if name in seen:
            raise ValueError(f"two columns are named '{name}'")
        seen.add(name)
    return zip(names, columns, strict=True)


def _names_and_columns(rows: Any) -> tuple[list[str], Iterable[Any]]:
    if isinstance(rows, Mapping):
        return [str(name) for name in rows], rows.values()
    known = library(rows)
    if known == "pandas" and hasattr(rows, "columns"):
        # By position: a label of several parts, or a part of one, would select more than one column.
        return _pandas_names(rows.columns), (series for _, series in rows.items())
    if known == "polars" and hasattr(rows, "get_columns"):
        return list(rows.columns), rows.get_columns()
    if known == "pyarrow" and hasattr(rows, "schema"):
        return list(rows.schema.names), (rows.column(at) for at in range(len(rows.schema.names)))
    raise TypeError(
        f"rows can't be a {type(rows).__name__}: pass a frame, a table, a dict of columns, an array or a sparse matrix"
    )


def _pandas_names(labels: Any) -> list[str]:
    """As xgboost names them: with blanks between the parts of a MultiIndex, and any other label as Python prints it."""
    several = hasattr(labels, "levels")
    return [" ".join(map(str, label)) if several else str(label) for label in labels]
