"""Rows in any of the forms that data scientists hold them in, as messages of scorebridge.v1.

pandas, polars and pyarrow are recognised by what they look like; none of them is imported here.
"""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.arrays import pack, packed
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["row_count", "set_features"]

_Array = NDArray[Any]
_Mask = NDArray[np.bool_]

_MAX_INT64 = 2**63 - 1
_MIN_INT64 = -(2**63)
_DOUBLE_EXACT = 2**53


def set_features(request: pb.ScoreRequest, rows: Any, columns: Sequence[str] | None = None) -> None:
    """Puts rows into a request, as the gateway takes them.

    Args:
        request: gets the rows.
        rows: a pandas or polars frame, a pyarrow table or record batch, a mapping from names to columns, or a numpy
            array of numbers, shape (rows, columns). NaN, None, NaT, NA and nulls are missing.
        columns: the names of a numpy array's columns; the model's own order is meant without.

    Raises:
        TypeError: the rows, or a column of them, are of a kind that no model takes.
        ValueError: a column's length differs, or a whole number is beyond 64 bits.
    """
    if isinstance(rows, np.ndarray):
        _fill(request.matrix, rows, columns)
        return
    if columns is not None:
        raise TypeError("columns= names the columns of a numpy array; these rows have names of their own")
    request.table.SetInParent()
    request.table.columns.extend(_column(str(name), values, mask) for name, values, mask in _columns_of(rows))


def row_count(features: pb.Matrix | pb.Table) -> int:
    """How many rows there are."""
    if isinstance(features, pb.Matrix):
        return features.rows
    if not features.columns:
        return 0
    first = features.columns[0]
    kind = first.WhichOneof("values")
    return len(getattr(first, kind).values) if kind else 0


def _fill(message: pb.Matrix, rows: _Array, columns: Sequence[str] | None) -> None:
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
    message.rows = rows.shape[0]
    message.columns.extend(columns or ())
    # In place: each copy of a large matrix costs milliseconds.
    if rows.dtype == np.float32:
        message.floats.MergeFromString(packed(rows))
    else:
        message.doubles.MergeFromString(packed(rows.astype(np.float64, copy=False)))


def _columns_of(rows: Any) -> Iterable[tuple[Any, Any, _Mask | None]]:
    """Name, values and which are missing; None where the values themselves say it."""
    if isinstance(rows, Mapping):
        return ((name, *_plain(values)) for name, values in rows.items())
    library = type(rows).__module__.partition(".")[0]
    if library == "pandas" and hasattr(rows, "columns"):
        return ((name, *_pandas(rows[name])) for name in _unique(rows.columns))
    if library == "polars" and hasattr(rows, "get_columns"):
        return ((series.name, *_polars(series)) for series in rows.get_columns())
    if library == "pyarrow" and hasattr(rows, "schema"):
        return ((name, *_pyarrow(rows.column(at))) for at, name in enumerate(rows.schema.names))
    raise TypeError(f"rows can't be a {type(rows).__name__}: pass a frame, a table, a dict of columns or an array")


def _unique(names: Any) -> list[Any]:
    listed = list(names)
    if len(set(listed)) != len(listed):
        raise ValueError("two columns of the frame have the same name")
    return listed


def _plain(values: Any) -> tuple[Any, _Mask | None]:
    library = type(values).__module__.partition(".")[0]
    if library == "pandas":
        return _pandas(values)
    if library == "polars":
        return _polars(values)
    if library == "pyarrow":
        return _pyarrow(values)
    if isinstance(values, np.ma.MaskedArray):
        return values.data, np.broadcast_to(values.mask, values.shape)
    return (values if isinstance(values, np.ndarray) else list(values)), None


def _pandas(series: Any) -> tuple[Any, _Mask | None]:
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return series.to_numpy(), None
    mask = series.isna().to_numpy(dtype=bool)
    numpy_dtype = getattr(dtype, "numpy_dtype", None)  # of the nullable Int64, Float64, boolean
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "fiub":
        return series.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0)), mask
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        raise TypeError(f"column '{series.name}' is {dtype}: no model takes times, pass numbers or text")
    return series.astype(object).to_numpy(), mask


def _polars(series: Any) -> tuple[Any, _Mask | None]:
    mask = series.is_null().to_numpy() if series.null_count() else None
    if series.dtype.is_numeric() or str(series.dtype) == "Boolean":
        fill = False if str(series.dtype) == "Boolean" else 0
        return (series if mask is None else series.fill_null(fill)).to_numpy(), mask
    return series.to_list(), mask


def _pyarrow(column: Any) -> tuple[Any, _Mask | None]:
    column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    values = column.to_pylist() if column.null_count else column.to_numpy(zero_copy_only=False)
    return values, None


def _column(name: str, values: Any, mask: _Mask | None) -> pb.Column:
    message = pb.Column(name=name)
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
        raise TypeError(f"column '{name}' is {values.dtype}: no model takes times, pass numbers or text")
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        _set_numbers(message, values)
    else:
        mask = _set_objects(message, name, list(values), mask)
    if mask is not None and mask.any():
        message.missing_rows.extend(np.flatnonzero(mask).tolist())
    return message


def _set_numbers(message: pb.Column, values: _Array) -> None:
    if values.ndim != 1:
        raise ValueError(f"column '{message.name}' has {values.ndim} dimensions")
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "b":
        message.bools.values.extend(values.tolist())
    elif kind == "f" and size <= np.dtype(np.float32).itemsize:
        message.floats.CopyFrom(pack(pb.FloatArray, values.astype(np.float32)))
    elif kind == "f":
        message.doubles.CopyFrom(pack(pb.DoubleArray, values.astype(np.float64)))
    elif size < 4 or (kind == "i" and size == 4):  # noqa: PLR2004 - bytes of an int32
        message.int32s.CopyFrom(pack(pb.Int32Array, values.astype(np.int32)))
    elif kind == "u" and values.size and values.max() > _MAX_INT64:
        raise ValueError(f"column '{message.name}': a whole number beyond 64 bits")
    else:
        message.int64s.CopyFrom(pack(pb.Int64Array, values.astype(np.int64)))


def _set_objects(message: pb.Column, name: str, values: list[Any], mask: _Mask | None) -> _Mask:
    """Python values; None and NaN are missing. A column without any value at all is one of doubles."""
    missing = np.fromiter((_is_missing(value) for value in values), np.bool_, len(values))
    if mask is not None:
        missing |= mask
    present = [value for value, absent in zip(values, missing, strict=True) if not absent]
    if any(isinstance(value, str) for value in present):
        if not all(isinstance(value, str) for value in present):
            raise TypeError(f"column '{name}' holds text and other things")
        message.strings.values.extend("" if absent else str(v) for v, absent in zip(values, missing, strict=True))
        return missing
    if present and all(isinstance(value, bool | np.bool_) for value in present):
        message.bools.values.extend(not absent and bool(v) for v, absent in zip(values, missing, strict=True))
        return missing
    odd = next((value for value in present if not _is_number(value)), None)
    if odd is not None:
        raise TypeError(f"column '{name}' holds {type(odd).__name__}; numbers, truth values or text are taken")
    whole = bool(present) and all(isinstance(value, numbers.Integral) for value in present)
    numbers_only = [0 if absent else value for value, absent in zip(values, missing, strict=True)]
    if whole:
        if any(not _MIN_INT64 <= int(value) <= _MAX_INT64 for value in present):
            raise ValueError(f"column '{name}': a whole number beyond 64 bits")
        message.int64s.CopyFrom(pack(pb.Int64Array, np.array(numbers_only, np.int64)))
    else:
        message.doubles.CopyFrom(pack(pb.DoubleArray, np.array(numbers_only, np.float64)))
    return missing


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_ | np.timedelta64)


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return type(value).__name__ in ("NAType", "NaTType")
