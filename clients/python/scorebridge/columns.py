"""Turns a column (a list, an array, or a series of pandas, polars or pyarrow) into a message of scorebridge.v1.

pandas, polars, pyarrow and scipy are recognised by the modules of their classes; none of them is imported here.
"""

import numbers
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.arrays import pack
from scorebridge.exact import first_rounded, is_double
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["build_column", "column_rows", "cut_column", "library"]

_Array = NDArray[Any]
_Mask = NDArray[np.bool_]

_MAX_INT64 = 2**63 - 1
_MIN_INT64 = -(2**63)

_LIBRARIES = ("pandas", "polars", "pyarrow", "scipy")
_NO_COLUMNS = (str, bytes, bytearray, set, frozenset, Mapping)  # iterable, but what they yield is never meant as rows


def library(values: Any) -> str | None:
    """Returns the library of a value's class or base class: pandas, polars, pyarrow or scipy; None for any other."""
    roots = (base.__module__.partition(".")[0] for base in type(values).__mro__)
    return next((root for root in roots if root in _LIBRARIES), None)


def build_column(name: str, values: Any) -> pb.Column:
    """Returns the message of a column that is a list, an array or a series. NaN, None, NaT, NA and nulls are missing.

    Whole numbers are sent as int64; if one of them is beyond int64, all are sent as doubles, provided that doubles hold
    each of them exactly. A fractional Decimal is sent as the nearest double. A whole Decimal is sent exactly, or
    refused.

    Raises:
        TypeError: the values are not a column, or a column that no model takes; the message names the column.
        ValueError: a number or text can't be sent; the message names the column and the row.
    """
    plain, mask = _plain(name, values)
    try:
        message = pb.Column(name=name)
        if isinstance(plain, np.ndarray) and plain.dtype.kind in "mM":
            raise TypeError(f"column '{name}' is {plain.dtype}: no model takes times, pass numbers or text")
        if isinstance(plain, np.ndarray) and plain.dtype.kind in "fiub":
            _set_numbers(message, plain)
        else:
            mask = _set_objects(message, name, list(plain), mask)
    except UnicodeEncodeError:
        # Not chained to Python's own error, whose message holds the text.
        raise ValueError(f"column {name!a}: half of a surrogate pair, which UTF-8 can't hold") from None
    if mask is not None and mask.any():
        message.missing_rows.extend(np.flatnonzero(mask).tolist())
    return message


def column_rows(column: pb.Column) -> int:
    """Returns the number of rows in the message of a column."""
    kind = column.WhichOneof("values")
    return len(getattr(column, kind).values) if kind else 0


_ARRAYS: dict[str, tuple[Any, Any]] = {
    "doubles": (pb.DoubleArray, np.float64),
    "floats": (pb.FloatArray, np.float32),
    "int32s": (pb.Int32Array, np.int32),
    "int64s": (pb.Int64Array, np.int64),
}


def cut_column(column: pb.Column, first: int, rows: int) -> pb.Column:
    """Returns the message of a column's rows from `first` on, `rows` of them; missing rows stay missing."""
    part = pb.Column(name=column.name)
    kind = column.WhichOneof("values")
    if kind is not None:
        values = getattr(column, kind).values[first : first + rows]
        if kind in _ARRAYS:
            message, dtype = _ARRAYS[kind]
            getattr(part, kind).CopyFrom(pack(message, np.array(values, dtype)))
        else:
            getattr(part, kind).values.extend(values)
    missing = np.array(column.missing_rows, np.int64)
    part.missing_rows.extend((missing[(missing >= first) & (missing < first + rows)] - first).tolist())
    return part


def _plain(name: str, values: Any) -> tuple[Any, _Mask | None]:
    """Returns a column as an array or a list, and which rows are missing; None where the values themselves show it."""
    if isinstance(values, np.ma.MaskedArray):
        mask = np.broadcast_to(values.mask, values.shape)
        # A value under the mask must not be sent.
        return np.where(mask, values.dtype.type(0), values.data) if values.dtype.kind in "fiub" else values.data, mask
    if isinstance(values, np.ndarray):
        return values, None
    known = library(values)
    if known == "pandas" and hasattr(values, "dtype"):
        return _pandas(name, values)
    if known == "polars" and hasattr(values, "dtype"):
        return _polars(values)
    if known == "pyarrow" and hasattr(values, "null_count"):
        return _pyarrow(values)
    if known or isinstance(values, _NO_COLUMNS) or not isinstance(values, Iterable):
        raise TypeError(f"column '{name}' is a {type(values).__name__}: pass a list, an array or a series")
    return list(values), None


def _pandas(name: str, values: Any) -> tuple[Any, _Mask | None]:
    """Returns the values of a pandas series, index or array, and which of them are missing."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return values.to_numpy(), None
    if hasattr(dtype, "categories") and (found := _numbers_by_code(name, values)):
        return found
    mask = np.asarray(values.isna(), np.bool_)
    numpy_dtype = getattr(dtype, "numpy_dtype", None)  # of the nullable Int64, Float64, boolean
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "fiub":
        return values.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0)), mask
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        raise TypeError(f"column '{name}' is {dtype}: no model takes times, pass numbers or text")
    return np.asarray(values.astype(object)), mask


def _numbers_by_code(name: str, values: Any) -> tuple[_Array, _Mask] | None:
    """Returns each row's category of a categorical and which rows are missing; None if categories are not numbers."""
    categories, _ = _plain(name, values.dtype.categories)
    if not isinstance(categories, np.ndarray) or categories.dtype.kind not in "fiub" or not len(categories):
        return None
    codes = np.asarray(getattr(values, "cat", values).codes)
    mask = codes < 0
    return np.where(mask, categories.dtype.type(0), categories[codes]), mask


def _polars(series: Any) -> tuple[Any, _Mask | None]:
    mask = series.is_null().to_numpy() if series.null_count() else None
    truths = str(series.dtype) == "Boolean"
    if truths or (series.dtype.is_numeric() and not str(series.dtype).endswith("128")):  # numpy has no 128-bit integers
        return (series if mask is None else series.fill_null(False if truths else 0)).to_numpy(), mask
    return series.to_list(), mask


def _pyarrow(column: Any) -> tuple[Any, _Mask | None]:
    column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    values = column.to_pylist() if column.null_count else column.to_numpy(zero_copy_only=False)
    return values, None


def _set_numbers(message: pb.Column, values: _Array) -> None:
    if values.ndim != 1:
        raise ValueError(f"column '{message.name}' is an array of {values.ndim} dimensions: pass one dimension")
    kind, size = values.dtype.kind, values.dtype.itemsize
    beyond = kind == "u" and values.size and int(values.max()) > _MAX_INT64
    if kind == "b":
        message.bools.values.extend(values.tolist())
    elif kind == "f" and size <= np.dtype(np.float32).itemsize:
        message.floats.CopyFrom(pack(pb.FloatArray, values.astype(np.float32)))
    elif kind == "f" or beyond:
        if (row := first_rounded(values)) is not None:
            first = int((values > np.uint64(_MAX_INT64)).argmax())
            raise _beyond_int64(message.name, first) if beyond else _no_double(message.name, row)
        message.doubles.CopyFrom(pack(pb.DoubleArray, values.astype(np.float64)))
    elif size < 4 or (kind == "i" and size == 4):  # noqa: PLR2004 - bytes of an int32
        message.int32s.CopyFrom(pack(pb.Int32Array, values.astype(np.int32)))
    else:
        message.int64s.CopyFrom(pack(pb.Int64Array, values.astype(np.int64)))


def _set_objects(message: pb.Column, name: str, values: list[Any], mask: _Mask | None) -> _Mask:
    """Puts Python values into a message and returns which are missing (None, NaN). Without any value, doubles."""
    missing = np.fromiter((_is_missing(value) for value in values), np.bool_, len(values))
    if mask is not None:
        missing |= mask
    kind = _one_kind(name, values, missing)
    if kind == "text":
        message.strings.values.extend("" if absent else str(v) for v, absent in zip(values, missing, strict=True))
    elif kind == "truth values":
        message.bools.values.extend(not absent and bool(v) for v, absent in zip(values, missing, strict=True))
    else:
        present = [value for value, absent in zip(values, missing, strict=True) if not absent]
        whole = bool(present) and all(isinstance(value, numbers.Integral) for value in present)
        _set_filled(message, [0 if absent else v for v, absent in zip(values, missing, strict=True)], whole=whole)
    return missing


def _one_kind(name: str, values: list[Any], missing: _Mask) -> str:
    """Returns the one kind ("numbers", "truth values" or "text") of a column's values; "" if all are missing."""
    found, first = "", 0
    for row, (value, absent) in enumerate(zip(values, missing, strict=True)):
        if absent:
            continue
        kind = _kind(value)
        if not kind:
            remedy = "pass numbers, truth values or text"
            raise TypeError(f"column '{name}', row {row} is a {type(value).__name__}: {remedy}")
        if not found:
            found, first = kind, row
        elif kind != found:
            raise TypeError(f"column '{name}' holds {found} in row {first} and {kind} in row {row}: pass one of them")
    return found


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "truth values"
    return "numbers" if _is_number(value) else ""


def _set_filled(message: pb.Column, values: list[Any], *, whole: bool) -> None:
    """Puts Python numbers into a message, with zeros for missing ones; `whole` if all of them are whole numbers."""
    beyond = _first(not _MIN_INT64 <= int(value) <= _MAX_INT64 for value in values) if whole else None
    if whole and beyond is None:
        message.int64s.CopyFrom(pack(pb.Int64Array, np.array(values, np.int64)))
        return
    if (row := _first(not is_double(value) for value in values)) is not None:
        raise _no_double(message.name, row) if beyond is None else _beyond_int64(message.name, beyond)
    message.doubles.CopyFrom(pack(pb.DoubleArray, np.array([float(value) for value in values], np.float64)))


def _first(flags: Iterable[bool]) -> int | None:
    return next((row for row, flag in enumerate(flags) if flag), None)


def _beyond_int64(name: str, row: int) -> ValueError:
    return ValueError(f"column '{name}', row {row}: a whole number beyond int64, and doubles don't hold all of them")


def _no_double(name: str, row: int) -> ValueError:
    return ValueError(f"column '{name}', row {row}: a number that no double holds exactly")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real | Decimal) and not isinstance(value, np.timedelta64)


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return type(value).__name__ in ("NAType", "NaTType")
