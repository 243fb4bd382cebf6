"""R's values as Python types, and the bridge's columns converted to them and back.

NA of a double is a NaN whose low word is 1954 (R's `arithmetic.c`). R tells NA from NaN, the bridge does not: a missing
number reaches R as NA, and a NaN that R gives is a missing score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bridge.columns import Array, Column, Mask, Type

__all__ = [
    "Dim",
    "RDouble",
    "RFactor",
    "RInt",
    "RList",
    "RLogical",
    "RNull",
    "RString",
    "RValue",
    "from_column",
    "to_column",
]

_NA_REAL_BITS = 0x7FF00000000007A2

Dim = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RNull:
    """R's NULL."""


@dataclass(frozen=True, slots=True, eq=False)
class RDouble:
    """A double vector of R: float64, shape (n,); an array with `dim` is stored column by column. NaN bits are kept."""

    values: Array
    dim: Dim | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RInt:
    """An integer vector of R: int32, shape (n,); NA where `missing` is true."""

    values: Array
    missing: Mask | None = None
    dim: Dim | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RLogical:
    """A logical vector of R: bool, shape (n,); NA where `missing` is true."""

    values: Array
    missing: Mask | None = None
    dim: Dim | None = None


@dataclass(frozen=True, slots=True)
class RString:
    """A character vector of R; None is NA."""

    values: Sequence[str | None]
    dim: Dim | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RFactor:
    """A factor of R: 0-based codes (int32, shape (n,)) of its levels; NA where `missing` is true."""

    codes: Array
    levels: tuple[str, ...]
    missing: Mask | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class RList:
    """A list of R; `names` is None if its elements have no names."""

    values: "Sequence[RValue]"
    names: Sequence[str] | None = None

    def named(self) -> "dict[str, RValue]":
        """Returns the elements by their names; empty if the list has no names."""
        return dict(zip(self.names or (), self.values, strict=False))


RValue = RNull | RDouble | RInt | RLogical | RString | RFactor | RList


def from_column(column: Column, *, ordered: bool = False) -> RValue:
    """Returns a column as R's value: double, int, bool, string or factor, missing values as NA of that type.

    Args:
        column: the column, bound to the model's features.
        ordered: whether a factor becomes an ordered one.

    Raises:
        ValueError: R has no such type.
    """
    match column.type:
        case Type.DOUBLE:
            return RDouble(_with_na(column.values))
        case Type.INT:
            return RInt(column.values, column.mask)
        case Type.BOOL:
            return RLogical(column.values, column.mask)
        case Type.FACTOR:
            return RFactor(column.values, column.levels, column.mask, ordered)
        case Type.STRING:
            return RString(_with_none(column))
        case _:
            raise ValueError(f"column '{column.name}' is {column.type}, a type that R does not have")


def _with_na(values: Array) -> Array:
    absent = np.isnan(values)
    if not absent.any():
        return values
    values = values.copy()
    values.view(np.uint64)[absent] = _NA_REAL_BITS
    return values


def _with_none(column: Column) -> list[str | None]:
    if column.mask is None:
        return list(column.values.tolist())
    return [None if absent else text for text, absent in zip(column.values, column.mask, strict=True)]


def to_column(name: str, value: RValue) -> Column:
    """Returns an output that R gave as a column of scores.

    Raises:
        ValueError: the value is not a vector of numbers, truth values or text.
    """
    match value:
        case RDouble(values):
            return Column(name, Type.DOUBLE, values)
        case RInt(values, missing):
            return Column(name, Type.INT, values, missing)
        case RLogical(values, missing):
            return Column(name, Type.BOOL, values, missing)
        case RString(strings):
            absent = np.fromiter((text is None for text in strings), np.bool_, len(strings))
            values = np.empty(len(strings), object)
            values[:] = ["" if text is None else text for text in strings]
            return Column(name, Type.STRING, values, absent if absent.any() else None)
        case _:
            kind = type(value).__name__
            raise ValueError(f"the output '{name}' is {kind}, not a vector of numbers, truth values or text")
