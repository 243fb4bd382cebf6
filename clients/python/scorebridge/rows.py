"""Rows in any of the forms that data scientists hold them in, as messages of scorebridge.v1, whole or in parts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.arrays import packed
from scorebridge.columns import build_column, column_rows, cut_column, library
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MatrixRows", "TableRows", "read_rows"]

_DOUBLE_EXACT = 2**53


def read_rows(rows: Any, columns: Sequence[str] | None = None) -> "MatrixRows | TableRows":
    """The rows of a call, checked.

    Args:
        rows: a pandas or polars frame, a pyarrow table or record batch, a mapping from names to columns, or a numpy
            array of numbers, shape (rows, columns). NaN, None, NaT, NA and nulls are missing.
        columns: the names of a numpy array's columns; the model's own order is meant without.

    Raises:
        TypeError: the rows, or a column of them, are of a kind that no model takes.
        ValueError: a column's length differs, or a value can't be sent.
    """
    if isinstance(rows, np.ndarray):
        return MatrixRows(rows, columns)
    if columns is not None:
        raise TypeError("columns= names the columns of a numpy array; these rows have names of their own")
    return TableRows(rows)


class MatrixRows:
    """Rows of an array of numbers, which is not copied before it is sent.

    Attributes:
        count: how many.
        size: of their values on the wire, bytes.
    """

    def __init__(self, rows: NDArray[Any], columns: Sequence[str] | None) -> None:
        _check_matrix(rows, columns)
        self._rows = rows
        self._columns = columns or ()
        self.count = len(rows)
        self.size = rows.size * (4 if rows.dtype == np.float32 else 8)

    def fill(self, request: pb.ScoreRequest, first: int, count: int) -> None:
        """Puts neighbouring rows into a request."""
        message, rows = request.matrix, self._rows[first : first + count]
        message.rows = count
        message.columns.extend(self._columns)
        # In place: each copy of a large matrix costs milliseconds.
        if rows.dtype == np.float32:
            message.floats.MergeFromString(packed(rows))
        else:
            message.doubles.MergeFromString(packed(rows.astype(np.float64, copy=False)))


class TableRows:
    """Rows of named columns; has what `MatrixRows` has."""

    def __init__(self, rows: Any) -> None:
        self._columns = [build_column(str(name), values) for name, values in _columns_of(rows)]
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


def _check_matrix(rows: NDArray[Any], columns: Sequence[str] | None) -> None:
    if rows.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise ValueError(f"an array of rows has shape (rows, columns), not {rows.shape}")
    if columns is not None and len(columns) != rows.shape[1]:
        raise ValueError(f"{len(columns)} names for {rows.shape[1]} columns")
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"an array of rows holds numbers, not {rows.dtype}")
    if isinstance(rows, np.ma.MaskedArray):
        raise TypeError("a masked array's values under the mask would be scored: fill it with NaN, or pass columns")
    if rows.dtype.kind in "iu" and rows.size and (rows.max() > _DOUBLE_EXACT or rows.min() < -_DOUBLE_EXACT):
        raise ValueError("a whole number outside +-2^53, which a matrix of doubles can't hold")


def _columns_of(rows: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(rows, Mapping):
        return rows.items()
    known = library(rows)
    if known == "pandas" and hasattr(rows, "columns"):
        return ((name, rows[name]) for name in _unique(rows.columns))
    if known == "polars" and hasattr(rows, "get_columns"):
        return ((series.name, series) for series in rows.get_columns())
    if known == "pyarrow" and hasattr(rows, "schema"):
        return ((name, rows.column(at)) for at, name in enumerate(rows.schema.names))
    raise TypeError(f"rows can't be a {type(rows).__name__}: pass a frame, a table, a dict of columns or an array")


def _unique(names: Any) -> list[Any]:
    listed = list(names)
    if len(set(listed)) != len(listed):
        raise ValueError("two columns of the frame have the same name")
    return listed
