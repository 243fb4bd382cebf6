"""Typed columns and matrices: the rows and scores that pass between callers, models and the log.

A double or float is missing where it is NaN. Every other type has a mask, because none of its values can stand for
"missing"; where the mask is set, the values hold a placeholder (0, False, "").
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bridge.errors import InvalidRequest
from bridge.lookup_errors import LookupFailed
from bridge.values import value

__all__ = [
    "DOUBLE_EXACT",
    "INT_MAX",
    "INT_MIN",
    "Array",
    "Batch",
    "Column",
    "Mask",
    "Matrix",
    "Table",
    "Type",
    "Unfit",
    "all_missing",
    "concatenate",
    "constant",
    "join",
    "says_nothing",
    "take",
]

INT_MIN, INT_MAX = -(2**31), 2**31 - 1  # the range of Type.INT; R takes the least for its NA
DOUBLE_EXACT = 2**53  # up to here a double holds every whole number exactly

Array = NDArray[Any]
Mask = NDArray[np.bool_]


class Type(StrEnum):
    """The types of a column. Models declare all of them but `float`, which only callers and outputs have."""

    DOUBLE = "double"
    FLOAT = "float"
    INT = "int"
    INT64 = "int64"
    BOOL = "bool"
    STRING = "string"
    FACTOR = "factor"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the values; strings are objects, a factor has its 0-based codes."""
        return _DTYPES[self]

    @property
    def is_floating(self) -> bool:
        """Whether the type is double or float, whose missing value is NaN."""
        return self is Type.DOUBLE or self is Type.FLOAT


_DTYPES: dict[Type, np.dtype[Any]] = {
    Type.DOUBLE: np.dtype(np.float64),
    Type.FLOAT: np.dtype(np.float32),
    Type.INT: np.dtype(np.int32),
    Type.INT64: np.dtype(np.int64),
    Type.BOOL: np.dtype(np.bool_),
    Type.STRING: np.dtype(object),
    Type.FACTOR: np.dtype(np.int32),
}


@value
class Column:
    """One named, typed vector.

    Attributes:
        name: the name of the column.
        type: the type of its values.
        values: the values, shape (rows,), of `type.dtype`.
        mask: shape (rows,), true where the value is missing; None if none is, and always for double and float.
        levels: the levels of a factor, in the order of their codes; empty for other types.
    """

    name: str
    type: Type
    values: Array
    mask: Mask | None = None
    levels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def missing(self) -> Mask:
        """Returns an array, shape (rows,), that is true where the value is missing."""
        if self.type.is_floating:
            return np.isnan(self.values)
        return np.zeros(len(self.values), np.bool_) if self.mask is None else self.mask

    def any_missing(self) -> bool:
        """Whether at least one value is missing."""
        if self.type.is_floating:
            if len(self.values) == 1:  # as in most calls, where numpy's way would cost more than scoring the row
                return bool(self.values[0] != self.values[0])
            return bool(np.count_nonzero(np.isnan(self.values)))
        return self.mask is not None and bool(self.mask.any())

    def slice(self, first: int, count: int) -> Self:
        """Returns `count` rows, from the 0-based row `first` on, without a copy."""
        rows = slice(first, first + count)
        mask = None if self.mask is None else self.mask[rows]
        return type(self)(self.name, self.type, self.values[rows], mask, self.levels)

    def take(self, rows: Array) -> Self:
        """Returns some of the rows, given by their 0-based numbers, in that order."""
        return replace(self, values=self.values[rows], mask=None if self.mask is None else self.mask[rows])


@value
class Unfit:
    """Why a model can't take some rows; rows with the same problem share one such object instead of an error each.

    Attributes:
        column: the name of the column with the wrong value.
        problem: what is wrong with the value, in words.
        error: the class of the error that such a row gets.
        limit: the limit that was passed, in words; empty if none was.
    """

    column: str
    problem: str
    error: type[InvalidRequest] | type[LookupFailed]
    limit: str = ""

    def of(self, row: int, where: str = "", *, rows: int = 1) -> InvalidRequest | LookupFailed:
        """Returns the error of a row, and of as many as `rows` from it on; its message begins with the text `where`."""
        message = f"{where}column '{self.column}', row {row}: {self.problem}"
        return self.error(message, limit=self.limit, column=self.column, row=row, rows=rows)


@value
class Matrix:
    """Rows of numbers of one type.

    Attributes:
        names: the names of the columns, in order; empty if the columns have the model's own order.
        values: shape (rows, columns), C order, float64 or float32; NaN is missing.
        unfit: once bound to a model, the rows that it can't take, by number, each with the first thing that is wrong;
            None if there is no such row.
    """

    names: tuple[str, ...]
    values: Array
    unfit: Mapping[int, Unfit] | None = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.values)

    def slice(self, first: int, count: int) -> Self:
        """Returns `count` rows, from the 0-based row `first` on, without a copy."""
        return replace(self, values=self.values[first : first + count])

    def table(self, names: Sequence[str]) -> "Table":
        """Returns the rows as a table whose columns have these names."""
        column_type = Type.FLOAT if self.values.dtype == np.float32 else Type.DOUBLE
        by_column = np.ascontiguousarray(self.values.T)
        columns = tuple(Column(name, column_type, values) for name, values in zip(names, by_column, strict=True))
        return Table(columns, self.rows)


@value
class Table:
    """Columns of one length, each of its own type.

    Attributes:
        columns: the columns, in the caller's order, or in the model's once bound to it.
        rows: the number of rows.
        unfit: once bound to a model, the rows that it can't take, by number, each with the first thing that is wrong;
            None if there is no such row.
        kept_types: once bound to a model, the type of each column without values that got another type than the caller
            sent, by its place among the caller's columns; None if there is no such column.
    """

    columns: tuple[Column, ...]
    rows: int
    unfit: Mapping[int, Unfit] | None = None
    kept_types: Mapping[int, Type] | None = None

    def slice(self, first: int, count: int) -> Self:
        """Returns `count` rows, from the 0-based row `first` on, without a copy."""
        return replace(self, columns=tuple(column.slice(first, count) for column in self.columns), rows=count)


Batch = Matrix | Table


def take(batch: Batch, rows: Array) -> Batch:
    """Returns some rows of a batch, given by their 0-based numbers, in that order; none of them may be unfit."""
    if isinstance(batch, Matrix):
        return Matrix(batch.names, batch.values[rows])
    return Table(tuple(column.take(rows) for column in batch.columns), len(rows))


def constant(name: str, column_type: Type, value: float | bool | str, rows: int) -> Column:
    """Returns a column that holds one value in every row."""
    values = np.empty(rows, column_type.dtype)
    values[:] = value
    return Column(name, column_type, values)


def all_missing(name: str, column_type: Type, rows: int, levels: tuple[str, ...] = ()) -> Column:
    """Returns a column that is missing in every row."""
    if column_type.is_floating:
        return constant(name, column_type, np.nan, rows)
    placeholder = constant(name, column_type, "" if column_type is Type.STRING else 0, rows)
    return replace(placeholder, mask=np.ones(rows, np.bool_), levels=levels)


def says_nothing(column: Column) -> bool:
    """Whether a column is logical and missing in every row: R's plain NA, which tells nothing of the column's type."""
    return column.type is Type.BOOL and bool(column.missing().all())


def concatenate(parts: Sequence[Column]) -> Column:
    """Returns columns joined end to end; they must have one name, and one type but for those of `says_nothing`."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if any(part.type is not first.type for part in parts):
        first = next((part for part in parts if not says_nothing(part)), first)
        parts = [all_missing(first.name, first.type, len(part)) if says_nothing(part) else part for part in parts]
    values = np.concatenate([part.values for part in parts])
    masked = any(part.mask is not None for part in parts)
    mask = np.concatenate([part.missing() for part in parts]) if masked and not first.type.is_floating else None
    return replace(first, values=values, mask=mask)


def join(batches: Sequence[Batch]) -> Batch:
    """Returns the rows of batches with the same columns, joined end to end."""
    first = batches[0]
    if isinstance(first, Matrix):
        return replace(first, values=np.concatenate([one.values for one in batches if isinstance(one, Matrix)]))
    tables = [one for one in batches if isinstance(one, Table)]
    columns = tuple(concatenate(parts) for parts in zip(*(table.columns for table in tables), strict=True))
    return Table(columns, sum(table.rows for table in tables))
