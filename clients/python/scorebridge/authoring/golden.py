"""The golden rows as an author gives them: a frame of pandas or polars, or a dict of arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.columns import library
from scorebridge.runner.conditions import Malformed, class_name
from scorebridge.runner.output_columns import column_of
from scorebridge.runner.vectors import Vector

__all__ = ["Golden", "missing_rows"]

_TAKEN = (
    "a feature is of float64 or float32, whole numbers of up to 64 bits with a sign, truth values or text, or a "
    "categorical of texts, and all its values are of one kind"
)


class Golden:
    """The golden rows of an author.

    Args:
        given: a frame of pandas or polars, or a dict with an array, list or series for each feature.

    Attributes:
        given: the rows; a frame of pandas is a copy with the rows 0, 1, and so on.
        columns: for each feature, its values as they were given.
        rows: the number of rows.

    Raises:
        BundleNotWritten: it is something else, or has no rows, or its columns are not of one length or have no names.
    """

    def __init__(self, given: Any) -> None:
        self.is_pandas = library(given) == "pandas" and hasattr(given, "iloc") and hasattr(given, "columns")
        is_polars = library(given) == "polars" and hasattr(given, "to_series") and hasattr(given, "columns")
        if self.is_pandas:
            given = given.reset_index(drop=True)
        elif not is_polars and not isinstance(given, Mapping):
            raise BundleNotWritten(
                f"golden is {class_name(given)}: give a frame of pandas or polars, or a dict of arrays"
                + (", by .collect()" if hasattr(given, "collect") else "")
            )
        self.given = given
        names = list(given.columns if self.is_pandas or is_polars else given)
        _check_names(names)
        self.columns = {name: _fresh(given[name]) for name in names}
        self.rows = _rows(self.columns)

    def vector(self, name: str) -> Vector:
        """Returns a column in the type that its own values have.

        Raises:
            BundleNotWritten: no feature has such values.
        """
        column = self.columns[name]
        if library(column) in ("pandas", "polars") and (found := _categorical(name, column)) is not None:
            return found
        try:
            # Of a nullable boolean of pandas the values are objects: it has no placeholder for a missing one.
            nullable = library(column) == "pandas" and str(getattr(column, "dtype", "")) == "boolean"
            vector = column_of(name, column.astype(object) if nullable else column, self.rows)
        except (Malformed, TypeError, ValueError, OverflowError) as error:
            kind = getattr(column, "dtype", None) or class_name(column)
            raise BundleNotWritten(f"golden column '{name}' ({kind}): {_TAKEN}") from error
        if vector.type == "float":
            return vector._replace(type="double", values=vector.values.astype(np.float64))
        return vector

    def says_nothing(self, name: str) -> bool:
        """Whether every value of a column is missing, and the column itself has no type either."""
        dtype = getattr(self.columns[name], "dtype", None)
        typed = isinstance(dtype, np.dtype) and dtype.kind in "fiubU"
        return not typed and bool(missing_rows(self.vector(name)).all())


def missing_rows(vector: Vector) -> Any:
    """Returns in which rows a vector is missing, shape (rows,)."""
    if vector.type in ("double", "float"):
        return np.isnan(vector.values)
    return np.zeros(len(vector.values), np.bool_) if vector.mask is None else vector.mask


def _check_names(names: list[Any]) -> None:
    if not names:
        raise BundleNotWritten("golden has no columns")
    if strange := [name for name in names if not isinstance(name, str) or not name]:
        raise BundleNotWritten(
            f"a column of golden has a name that is {class_name(strange[0])}: names are texts of a character or more"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BundleNotWritten(f"golden has two columns of the name '{twice}'")


def _fresh(column: Any) -> Any:
    """Returns a column whose rows are numbered from 0, if it is a series of pandas."""
    if library(column) == "pandas" and hasattr(column, "reset_index"):
        return column.reset_index(drop=True)
    return list(column) if isinstance(column, tuple) else column


def _rows(columns: Mapping[str, Any]) -> int:
    lengths = {}
    for name, column in columns.items():
        try:
            lengths[name] = len(column)
        except TypeError as error:
            raise BundleNotWritten(
                f"golden column '{name}' is {class_name(column)}: give an array or a list"
            ) from error
    rows = next(iter(lengths.values()))
    for name, length in lengths.items():
        if length != rows:
            raise BundleNotWritten(f"golden column '{name}' has {length} rows, and '{next(iter(lengths))}' has {rows}")
    if not rows:
        raise BundleNotWritten("golden has no rows")
    return rows


def _categorical(name: str, column: Any) -> Vector | None:
    """Returns a categorical of pandas, or an Enum of polars, as a factor; None for any other column."""
    categories = getattr(column.dtype, "categories", None)
    if categories is None or str(column.dtype).startswith("Categorical"):
        return None  # polars' Categorical, whose levels depend on what the process has seen before, is text
    levels = tuple(categories.tolist() if hasattr(categories, "tolist") else categories.to_list())
    if not levels or not all(isinstance(level, str) for level in levels):
        raise BundleNotWritten(
            f"golden column '{name}' is a categorical whose categories are not texts, and a factor's levels are: make "
            "them texts, or give the column as numbers, where the model was fitted too"
        )
    if library(column) == "pandas":
        codes = np.asarray(column.cat.codes)
        missing, ordered = codes < 0, bool(column.dtype.ordered)
    else:
        missing, ordered = column.is_null().to_numpy(), False
        places = {level: place for place, level in enumerate(levels)}
        codes = np.array([places.get(text, 0) for text in column.to_list()], np.int32)
    values = np.where(missing, 0, codes).astype(np.int32)
    return Vector(name, "factor", values, missing if missing.any() else None, levels, ordered)
