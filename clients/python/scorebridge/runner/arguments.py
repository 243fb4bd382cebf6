"""What a function gets: arrays by name, or one frame.

A whole number is a 64-bit integer, so that arithmetic in the function does not overflow where that of the training did
not; in a column in which one is missing it is a float, with NaN, as pandas has it. Missing text and truth values are
None in arrays, and NaN in a frame, as `pandas.read_csv` gives them.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .vectors import Vector

__all__ = ["arrays", "frame"]


def arrays(vectors: Sequence[Vector]) -> dict[str, Any]:
    """Returns an array for each vector, by name: float64, int64 or bool; objects for text, and where truth is missing.

    A factor is its text.
    """
    return {vector.name: _array(vector, None) for vector in vectors}


def frame(vectors: Sequence[Vector], rows: int) -> Any:
    """Returns a pandas frame of the vectors, in their order, with the rows 0 to `rows` - 1.

    Text has the type that pandas gives it in this interpreter, also if all of it is missing; a factor is categorical,
    with its levels in their order.
    """
    pd = import_module("pandas")  # only functions of a frame need it
    index = pd.RangeIndex(rows)
    if vectors and all(vector.type == "double" for vector in vectors):
        # One block for all columns, which pandas takes as it is: a tenth of the time of a dict of columns.
        block = np.array([vector.values for vector in vectors]).T
        return pd.DataFrame(block, index, [vector.name for vector in vectors], copy=False)
    columns = {vector.name: _series(pd, vector, index) for vector in vectors}
    return pd.DataFrame(columns, index)


def _series(pd: Any, vector: Vector, index: Any) -> Any:
    if vector.type == "factor":
        codes = vector.values if vector.mask is None else np.where(vector.mask, -1, vector.values)
        kind = pd.CategoricalDtype(list(vector.levels), ordered=vector.ordered)
        return pd.Series(pd.Categorical.from_codes(codes, dtype=kind), index)
    if vector.type == "string":
        return pd.Series(_array(vector, np.nan), index, dtype=_text_type(pd))
    return pd.Series(_array(vector, np.nan), index)


@lru_cache(maxsize=1)
def _text_type(pd: Any) -> Any:
    return pd.Series(["text"]).dtype


def _array(vector: Vector, absent: Any) -> Any:
    values, mask = vector.values, vector.mask
    if vector.type == "factor":
        return _with(np.array(vector.levels or ("",), object)[values], mask, absent)
    if vector.type == "string":
        return _with(values, mask, absent)
    if vector.type in {"int", "int64"}:
        return values.astype(np.int64) if mask is None else np.where(mask, np.nan, values.astype(np.float64))
    if vector.type == "float":
        return values.astype(np.float64)
    if vector.type == "bool" and mask is not None:
        return _with(values.astype(object), mask, absent)
    return values


def _with(values: Any, mask: Any, absent: Any) -> Any:
    """Returns objects with `absent` where they are missing."""
    if mask is not None:
        values[mask] = absent
    return values
