"""Rows of numbers of one type, as a matrix of scorebridge.v1, whole or in chunks."""

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
    """Rows of an array of numbers, which is not copied before it is sent.

    Attributes:
        count: how many rows there are.
        size: of their values on the wire, bytes.
        keys: None: an array has no column of row keys.

    Raises:
        TypeError: the array does not hold numbers, or hides some under a mask.
        ValueError: its shape is not (rows, columns), there is not one name a column, or it has a number that no double
            holds.
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
        """Puts neighbouring rows into a request."""
        rows = self._rows[first : first + count]
        _fill(request, self._columns, rows.astype(_dtype(rows), copy=False))


class SparseRows:
    """Rows of a sparse matrix of scipy.

    What the matrix does not hold is missing, as it is to xgboost; a zero that it holds is a zero. Only the rows that
    are asked for are made dense.

    Attributes:
        count: how many rows there are.
        size: of their values on the wire, dense, bytes.
        keys: None: a sparse matrix has no column of row keys.

    Raises:
        TypeError: the matrix is of another format than CSR, CSC and COO, or does not hold numbers.
        ValueError: there is not one name a column; or the matrix has a number that no double holds, two values for one
            place, or one outside its shape.
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
        """Puts neighbouring rows into a request."""
        dense = np.full((count, self._width), np.nan, _dtype(self._values))
        entries = slice(int(self._starts[first]), int(self._starts[first + count]))
        dense[self._rows_of(first, count), self._places[entries]] = self._values[entries]
        _fill(request, self._columns, dense)

    def _rows_of(self, first: int, count: int) -> _Array:
        """The row of each entry of neighbouring rows, counted from the first of them."""
        return np.repeat(np.arange(count), np.diff(self._starts[first : first + count + 1]))


def _dtype(rows: Any) -> np.dtype[Any]:
    """What the numbers are sent as; single precision is as good for xgboost and half as large."""
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
        raise ValueError(f"{len(columns)} names for {rows.shape[1]} columns")
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"an array of rows holds numbers, not {rows.dtype}")


def _check_places(of_rows: _Array, places: _Array, shape: tuple[int, int], columns: Sequence[str] | None) -> None:
    """Each entry is inside, and the only one of its place: two are added by scipy, but by xgboost only if it is COO."""
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
