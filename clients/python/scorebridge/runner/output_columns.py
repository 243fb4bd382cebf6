"""One output of a prediction as a typed column, with the type that its array has."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from .conditions import Malformed, class_name
from .refusals import refuse
from .vectors import DTYPES, Vector, all_missing

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["column_of", "is_frame", "is_series"]

# numpy's types by the columns' ones, each of which holds all their values exactly.
_TYPES: dict[Any, str] = {
    np.dtype(np.float64): "double",
    np.dtype(np.float32): "float",
    **dict.fromkeys(map(np.dtype, (np.int8, np.int16, np.int32, np.uint8, np.uint16)), "int"),
    **dict.fromkeys(map(np.dtype, (np.int64, np.uint32)), "int64"),
    np.dtype(np.bool_): "bool",
}
_TEXTS = frozenset("UT")  # of a fixed length, and numpy 2's own of any
_WIDE = ("Decimal", "Int128", "UInt128")  # numbers of polars that numpy has not
_MOST_NAMED = 4
_ALIKE = {
    float: "double",
    np.float64: "double",
    np.float32: "float",
    int: "int64",
    np.int64: "int64",
    bool: "bool",
    np.bool_: "bool",
    str: "string",
}
_SCALARS = (str, int, float, type(None), np.generic)


def is_frame(value: Any) -> bool:
    """Whether a value is a frame of pandas or polars."""
    return _is_of(value, "pandas", "DataFrame") or _is_of(value, "polars", "DataFrame")


def is_series(value: Any) -> bool:
    """Whether a value is a series of pandas or polars."""
    return _is_of(value, "pandas", "Series") or _is_of(value, "polars", "Series")


def _is_of(value: Any, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def column_of(name: str, values: Any, rows: int) -> Vector:
    """Returns an output as a column.

    Args:
        name: the name of the output.
        values: a one-dimensional array, a series, or a list or tuple of scores.
        rows: how many there have to be.

    Raises:
        Malformed: these are not that many scores of one type.
    """
    mask = None
    if _is_of(values, "pandas", "Series"):
        values, mask = _of_pandas(name, values, rows)
    elif _is_of(values, "polars", "Series"):
        values, mask = _of_polars(values)
    elif isinstance(values, (list, tuple)):
        values = _of_list(values)
    elif not isinstance(values, np.ndarray) or isinstance(values, np.ma.MaskedArray):
        refuse(values, name)
    if values.shape != (rows,):
        _refuse_shape(name, values, rows)
    return _typed(name, values, mask)


def _refuse_shape(name: str, values: Any, rows: int) -> None:
    got = (
        f"{len(values)} scores" if values.ndim == 1 else "an array of " + (" x ".join(map(str, values.shape)) or "none")
    )
    raise Malformed(f"the output '{name}' has {got} for {rows} {'row' if rows == 1 else 'rows'}")


def _typed(name: str, values: Any, mask: Any) -> Vector:
    values = np.asarray(values)
    if values.dtype.kind in _TEXTS:
        values = values.astype(object)
    if values.dtype.kind == "O":
        kinds = {_ALIKE.get(kind) for kind in set(map(type, values))}
        if mask is None and len(kinds) == 1 and None not in kinds:
            return _of_alike(name, values, str(kinds.pop()))
        return _of_objects(name, values, mask)
    kind = _TYPES.get(values.dtype.newbyteorder("="))
    if kind is None:
        raise Malformed(
            f"the output '{name}' has the type {values.dtype}: return float64, float32, whole numbers of up to 64 bits "
            "with a sign, truth values or text"
        )
    if mask is None or not mask.any():
        return Vector(name, kind, values)
    if kind in {"double", "float"}:
        return Vector(name, kind, np.where(mask, np.nan, values).astype(values.dtype))
    return Vector(name, kind, np.where(mask, 0, values).astype(values.dtype), mask)


def _of_alike(name: str, values: Any, kind: str) -> Vector:
    """Returns objects of one class that are not missing, or NaN: a tenth of the time that others take."""
    if kind == "string":
        _require_utf8(name, values)
        return Vector(name, kind, values)
    try:
        return Vector(name, kind, values.astype(DTYPES[kind]))
    except OverflowError:  # a whole number is beyond 64 bits
        return _of_objects(name, values, None)


def _of_objects(name: str, values: Any, mask: Any) -> Vector:
    """Returns objects as the one type that all of them have; None and NaN are missing, and None alone says nothing."""
    missing = np.array([_is_missing(one) for one in values], np.bool_)
    if mask is not None:
        missing |= mask
    known = [one for one, absent in zip(values, missing) if not absent]
    kinds = {_kind(one) for one in known or values if one is not None and one is not _pandas_na()}
    if not kinds:
        return all_missing(name, "bool", len(values)) if len(values) else Vector(name, "double", np.empty(0))
    if len(kinds) > 1 or None in kinds:
        found = " and ".join(sorted({class_name(one) for one in known})[:_MOST_NAMED])
        raise Malformed(f"the output '{name}' holds {found}: return numbers of one type, truth values or text")
    kind = str(kinds.pop())
    vector = all_missing(name, kind, len(values))
    if kind in {"double", "float"}:
        vector.values[:] = [one if isinstance(one, (float, np.float32)) else math.nan for one in values]
        return vector
    if kind == "string":
        # What inherits from str, such as an Enum, may say something else of itself.
        known = [str.__str__(one) for one in known]
        _require_utf8(name, known)
    vector.values[~missing] = known if kind != "int64" else [int(one) for one in known]
    return vector._replace(mask=missing if missing.any() else None)


def _require_utf8(name: str, texts: Iterable[str]) -> None:
    try:
        "".join(set(texts)).encode()
    except UnicodeEncodeError as error:
        raise Malformed(f"the output '{name}' has a text with half a surrogate pair, which UTF-8 can't hold") from error


def _is_missing(one: Any) -> bool:
    return one is None or one is _pandas_na() or (isinstance(one, (float, np.float32)) and math.isnan(one))


def _pandas_na() -> Any:
    return getattr(sys.modules.get("pandas"), "NA", _NOTHING)


_NOTHING = object()


def _kind(one: Any) -> str | None:
    if isinstance(one, str):
        return "string"
    if isinstance(one, (bool, np.bool_)):
        return "bool"
    if isinstance(one, (int, np.integer)) and not isinstance(one, np.uint64):
        return "int64" if -(2**63) <= int(one) < 2**63 else None
    if isinstance(one, np.float32):
        return "float"
    return "double" if isinstance(one, float) else None


def _of_list(scores: Any) -> Any:
    array = np.empty(len(scores), object)
    if all(issubclass(kind, _SCALARS) for kind in set(map(type, scores))):
        array[:] = scores
        return array
    for place, score in enumerate(scores):
        if isinstance(score, (list, tuple, dict, np.ndarray)):
            raise Malformed(
                "predict returned a list of lists or arrays, whose elements may be rows or outputs: return a matrix "
                "with a row for each row, or a dict with an array for each output"
            )
        array[place] = score
    return array


def _of_pandas(name: str, series: Any, rows: int) -> tuple[Any, Any]:
    pd = sys.modules["pandas"]
    if len(series) == rows and not series.index.equals(pd.RangeIndex(rows)):
        raise Malformed(
            f"the output '{name}' has an index that is not 0 to {rows - 1}: its rows were sorted, dropped or taken "
            "from elsewhere; return it as an array if they are in the order of the rows that predict was given"
        )
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype) if not series.isna().any() else series.astype(object)
    if isinstance(series.dtype, np.dtype) and series.dtype != object:
        return series.to_numpy(), None
    missing = series.isna().to_numpy(np.bool_)
    numeric = getattr(series.dtype, "numpy_dtype", None)
    if isinstance(numeric, np.dtype) and numeric.kind in "iufb":
        return series.fillna(numeric.type(0)).to_numpy(numeric), missing if missing.any() else None
    objects = series.astype(object).to_numpy(copy=True)
    objects[missing] = None  # pandas has NaN there, which would make numbers of texts that are all missing
    return objects, None


def _of_polars(series: Any) -> tuple[Any, Any]:
    missing = series.is_null().to_numpy()
    kind = str(series.dtype)
    if series.dtype.is_numeric() and not kind.startswith(_WIDE):
        return series.fill_null(0).to_numpy(), missing if missing.any() else None
    array = np.empty(len(series), object)
    array[:] = series.to_list()
    return array, None
