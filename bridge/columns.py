"""Typed columns and matrices: what travels between a caller, a model and the log.

What "missing" is, for each type: a double or float is missing where it is NaN; every other type has a mask, because no
value of it can stand for "missing". A placeholder (0, False, "") sits where the mask is set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bridge.errors import InvalidRequest
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

INT_MIN, INT_MAX = -(2**31), 2**31 - 1  # of Type.INT; R takes the least for its NA
DOUBLE_EXACT = 2**53  # so far a double holds every whole number

Array = NDArray[Any]
Mask = NDArray[np.bool_]


class Type(StrEnum):
    """The types of a column; `float` exists on the wire only, a model declares the others."""

    DOUBLE = "double"
    FLOAT = "float"
    INT = "int"
    INT64 = "int64"
    BOOL = "bool"
    STRING = "string"
    FACTOR = "factor"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the values; strings are objects, a factor holds 0-based codes."""
        return _DTYPES[self]

    @property
    def is_floating(self) -> bool:
        """NaN is this type's missing value."""
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
        name: as the model knows it.
        type: what the values are.
        values: shape (rows,), of `type.dtype`.
        mask: shape (rows,), true where the value is missing; None if none is, and always for double and float.
        levels: of a factor, the strings that its codes count.
    """

    name: str
    type: Type
    values: Array
    mask: Mask | None = None
    levels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def missing(self) -> Mask:
        """Which rows are missing, shape (rows,)."""
        if self.type.is_floating:
            return np.isnan(self.values)
        return np.zeros(len(self.values), np.bool_) if self.mask is None else self.mask

    def any_missing(self) -> bool:
        """A row is missing."""
        if self.type.is_floating:
            if len(self.values) == 1:  # what most calls have, and numpy's way costs more than scoring the row
                return bool(self.values[0] != self.values[0])
            return bool(np.count_nonzero(np.isnan(self.values)))
        return self.mask is not None and bool(self.mask.any())

    def slice(self, first: int, count: int) -> Self:
        """The rows `first` to `first + count`, without a copy."""
        rows = slice(first, first + count)
        mask = None if self.mask is None else self.mask[rows]
        return type(self)(self.name, self.type, self.values[rows], mask, self.levels)

    def take(self, rows: Array) -> Self:
        """Some rows, in the order of their 0-based numbers."""
        return replace(self, values=self.values[rows], mask=None if self.mask is None else self.mask[rows])


@value
class Unfit:
    """What of some rows a model can't take: what they share, so that each of them need not have an error of its own.

    Attributes:
        column: the column's name.
        problem: what is wrong with its value, in words.
        error: what such a row is given back with.
        limit: the limit that was passed, in words, if one was.
    """

    column: str
    problem: str
    error: type[InvalidRequest]
    limit: str = ""

    def of(self, row: int, where: str = "") -> InvalidRequest:
        """The error of one row; `where` goes before its sentence."""
        return self.error(f"{where}column '{self.column}', row {row}: {self.problem}", limit=self.limit)


@value
class Matrix:
    """Rows of numbers of one type.

    Attributes:
        names: of the columns, in order; empty if the model's own order is meant.
        values: shape (rows, columns), C order, float64 or float32; NaN is missing.
        unfit: once bound to a model, rows that it can't take, each with the first thing that is wrong; None where there
            is none.
    """

    names: tuple[str, ...]
    values: Array
    unfit: Mapping[int, Unfit] | None = None

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.values)

    def slice(self, first: int, count: int) -> Self:
        """The rows `first` to `first + count`, without a copy."""
        return replace(self, values=self.values[first : first + count])

    def table(self, names: Sequence[str]) -> "Table":
        """The matrix's rows as columns under these names."""
        column_type = Type.FLOAT if self.values.dtype == np.float32 else Type.DOUBLE
        by_column = np.ascontiguousarray(self.values.T)
        columns = tuple(Column(name, column_type, values) for name, values in zip(names, by_column, strict=True))
        return Table(columns, self.rows)


@value
class Table:
    """Columns of one length, each of its own type.

    Attributes:
        columns: in the order of the caller, or of the model once bound to it.
        rows: their common length.
        unfit: once bound to a model, rows that it can't take, each with the first thing that is wrong; None where there
            is none.
        kept_types: once bound to a model, the places among the caller's columns of those that have no value and another
            type than they were sent with, and that type; None where there is none.
    """

    columns: tuple[Column, ...]
    rows: int
    unfit: Mapping[int, Unfit] | None = None
    kept_types: Mapping[int, Type] | None = None

    def slice(self, first: int, count: int) -> Self:
        """The rows `first` to `first + count`, without a copy."""
        return replace(self, columns=tuple(column.slice(first, count) for column in self.columns), rows=count)


Batch = Matrix | Table


def take(batch: Batch, rows: Array) -> Batch:
    """Some rows of a batch, in the order of their 0-based numbers; of these none is unfit."""
    if isinstance(batch, Matrix):
        return Matrix(batch.names, batch.values[rows])
    return Table(tuple(column.take(rows) for column in batch.columns), len(rows))


def constant(name: str, column_type: Type, value: float | bool | str, rows: int) -> Column:
    """A column that holds one value in every row."""
    values = np.empty(rows, column_type.dtype)
    values[:] = value
    return Column(name, column_type, values)


def all_missing(name: str, column_type: Type, rows: int, levels: tuple[str, ...] = ()) -> Column:
    """A column without a value in any row."""
    if column_type.is_floating:
        return constant(name, column_type, np.nan, rows)
    placeholder = constant(name, column_type, "" if column_type is Type.STRING else 0, rows)
    return replace(placeholder, mask=np.ones(rows, np.bool_), levels=levels)


def says_nothing(column: Column) -> bool:
    """R's plain NA: a logical without any value, whatever type the column would otherwise have had."""
    return column.type is Type.BOOL and bool(column.missing().all())


def concatenate(parts: Sequence[Column]) -> Column:
    """The parts end to end; they must agree in name and, where they say something, in type."""
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
    """The rows of batches that have the same columns, end to end."""
    first = batches[0]
    if isinstance(first, Matrix):
        return replace(first, values=np.concatenate([one.values for one in batches if isinstance(one, Matrix)]))
    tables = [one for one in batches if isinstance(one, Table)]
    columns = tuple(concatenate(parts) for parts in zip(*(table.columns for table in tables), strict=True))
    return Table(columns, sum(table.rows for table in tables))
