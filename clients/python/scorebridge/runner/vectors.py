"""Named vectors of one type: what goes into a function's worker and comes out of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["DTYPES", "Vector", "all_missing", "says_nothing"]

# The types by the names that model.toml has for them; text is objects, a factor has the 0-based codes of its levels.
DTYPES: dict[str, Any] = {
    "double": np.dtype("<f8"),
    "float": np.dtype("<f4"),
    "int": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "bool": np.dtype("bool"),
    "string": np.dtype(object),
    "factor": np.dtype("<i4"),
}


class Vector(NamedTuple):
    """One named vector, an entry a row.

    Attributes:
        name: the name of the feature or output.
        type: a key of `DTYPES`.
        values: shape (rows,), of the type's dtype; a double or float is missing where it is NaN.
        mask: shape (rows,), true where the value is missing and `values` holds a placeholder; None if none is.
        levels: the levels of a factor, in the order of their codes; empty for other types.
        ordered: whether the levels of a factor have a rank.
    """

    name: str
    type: str
    values: Any
    mask: Any = None
    levels: tuple[str, ...] = ()
    ordered: bool = False


def says_nothing(vector: Vector) -> bool:
    """Whether a vector is of truth values and missing in every row, as None is: that tells nothing of its type."""
    return vector.type == "bool" and vector.mask is not None and bool(vector.mask.all())


def all_missing(name: str, kind: str, rows: int) -> Vector:
    """Returns a vector that is missing in every row; `kind` is a key of `DTYPES`."""
    if kind in {"double", "float"}:
        return Vector(name, kind, np.full(rows, np.nan, DTYPES[kind]))
    return Vector(name, kind, np.full(rows, "" if kind == "string" else 0, DTYPES[kind]), np.ones(rows, np.bool_))
