"""Turns arrays and sparse matrices of numbers into matrix messages of scorebridge.v1, whole or in chunks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.arrays import packed
from scorebridge.exact import first_rounded
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MatrixRows", "SparseRows"]

_SPARSE_FORMATS = ("csr", "csc", "coo")  # those that xgboost takes

_Array = NDArray[Any]


class MatrixRows:
    """Rows of an array of numbers. The array is not copied until it is sent.

    Args:
        rows: an array of shape (rows, columns).
        columns: a name for each column; None for the model's own order.

    Attributes:
        count: the number of rows.
        size: the size of the values in a request, bytes.
        keys: always None, because an array has no column of row keys.

    Raises:
        TypeError: the array does not hold numbers, or is a masked array.
        ValueError: the shape is not (rows, columns), there is not one name for each column, or no double holds a number
            exactly.
    """

    keys: Any = None

    def __init__(self, rows: _Array, columns: Sequence[str] | None) -> None:
        _check(rows, columns)
        if isinstance(rows, np.ma.MaskedArray):
            raise TypeError("a masked array's values under the mask would be scored: fill it with NaN, or pass columns")
        if (at := first_rounded(rows)) is not None:
            row, column = divmod(at, rows.shape[1])
            raise _rounded(row, column, columns)
        self._rows = rows
        self._columns = columns or ()
        self.count = len(rows)
        self.size = rows.size * _dtype(rows).itemsize

    def fill(self, request: pb.ScoreRequest, first: int, count: int) -> None:
        """Adds `count` rows, from row `first` on, to a request."""
        rows = self._rows[first : first + count]
        _fill(request, self._columns, rows.astype(_dtype(rows), copy=False))


class SparseRows:
    """Rows of a scipy sparse matrix.

    An entry that the matrix does not store is a missing value, as it is for xgboost; a stored zero is a zero. A chunk
    is made dense only when its request is built.

    Args:
        rows: a sparse matrix of shape (rows, columns).
        columns: a name for each column; None for the model's own order.

    Attributes:
        count: the number of rows.
        size: the size of the dense values in a request, bytes.
        keys: always None, because a sparse matrix has no column of row keys.

    Raises:
        TypeError: the matrix is not in the format CSR, CSC or COO, or does not hold numbers.
        ValueError: there is not one name for each column, no double holds a number exactly, or the matrix has two
            entries for one place or an entry outside its shape.
    """

    keys: Any = None

    def __init__(self, rows: Any, columns: Sequence[str] | None) -> None:
        _check(rows, columns)
        if rows.format not in _SPARSE_FORMATS:
            raise TypeError(f"a sparse matrix of rows is CSR, CSC or COO, not {rows.format.upper()}: pass its .tocsr()")
        self._columns = columns or ()
        self.count, self._width = rows.shape
        if rows.format == "coo":
            _check_places(rows.row, rows.col, rows.shape, columns)
        by_row = rows.tocsr()
        self._starts: _Array = by_row.indptr
        entries = slice(0, int(by_row.indptr[-1]))
        self._places: _Array = by_row.indices[entries]
        self._values: _Array = by_row.data[entries]
        of_rows = self._rows_of(0, self.count)
        _check_places(of_rows, self._places, rows.shape, columns)
        if (at := first_rounded(self._values)) is not None:
            raise _rounded(int(of_rows[at]), int(self._places[at]), columns)
        self.size = self.count * self._width * _dtype(rows).itemsize

    def fill(self, request: pb.ScoreRequest, first: int, count: int) -> None:
        """Adds `count` rows, from row `first` on, to a request."""
        dense = np.full((count, self._width), np.nan, _dtype(self._values))
        entries = slice(int(self._starts[first]), int(self._starts[first + count]))
        dense[self._rows_of(first, count), self._places[entries]] = self._values[entries]
        _fill(request, self._columns, dense)

    def _rows_of(self, first: int, count: int) -> _Array:
        """Returns the row of each stored entry of neighbouring rows, counted from row `first`."""
        return np.repeat(np.arange(count), np.diff(self._starts[first : first + count + 1]))


def _dtype(rows: Any) -> np.dtype[Any]:
    """Returns the type in which numbers are sent: float32 for float32, which is half as large, else float64."""
    return np.dtype(np.float32 if rows.dtype == np.float32 else np.float64)


def _fill(request: pb.ScoreRequest, columns: Sequence[str], rows: _Array) -> None:
    message = request.matrix
    message.rows = len(rows)
    message.columns.extend(columns)
    # In place: each copy of a large matrix costs milliseconds.
    (message.floats if rows.dtype == np.float32 else message.doubles).MergeFromString(packed(rows))


def _check(rows: Any, columns: Sequence[str] | None) -> None:
    if len(rows.shape) != 2:  # noqa: PLR2004 - rows and columns
        remedy = "; one row is rows[None, :], one column rows[:, None]" if len(rows.shape) == 1 else ""
        raise ValueError(f"an array of rows has shape (rows, columns), not {rows.shape}{remedy}")
    if columns is not None and len(columns) != rows.shape[1]:
        raise ValueError(f"columns has {len(columns)} names, but the rows have {rows.shape[1]} columns")
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"an array of rows holds numbers, not {rows.dtype}")


def _check_places(of_rows: _Array, places: _Array, shape: tuple[int, int], columns: Sequence[str] | None) -> None:
    """Checks that each entry is inside the shape and the only one of its place.

    scipy adds up two entries of one place; xgboost does so only in the format COO.
    """
    for numbers, count in ((of_rows, shape[0]), (places, shape[1])):
        if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
            raise ValueError(f"the sparse matrix has an entry outside its shape {shape}")
    if bool(((of_rows[1:] > of_rows[:-1]) | (of_rows[1:] == of_rows[:-1]) & (places[1:] > places[:-1])).all()):
        return
    order = np.lexsort((places, of_rows))
    of_rows, places = of_rows[order], places[order]
    twice = (of_rows[1:] == of_rows[:-1]) & (places[1:] == places[:-1])
    if twice.any():
        at = int(twice.argmax())
        where = _where(int(of_rows[at]), int(places[at]), columns)
        raise ValueError(f"{where}: the sparse matrix has two values; its sum_duplicates() adds them up")


def _rounded(row: int, column: int, columns: Sequence[str] | None) -> ValueError:
    return ValueError(f"{_where(row, column, columns)}: a number that no double holds exactly")


def _where(row: int, column: int, columns: Sequence[str] | None) -> str:
    named = f"column '{columns[column]}'" if columns else f"column {column}"
    return f"{named}, row {row}"
