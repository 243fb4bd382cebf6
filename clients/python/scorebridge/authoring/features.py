"""The types that are declared for the features, and the golden rows' columns in these types."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.authoring.declared import DeclaredFeature
from scorebridge.authoring.golden import Golden, missing_rows
from scorebridge.runner.vectors import Vector

__all__ = ["decide_columns", "decide_frame", "golden_vectors"]

_LIMITS = {"int": (-(2**31) + 1, 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_EXACT = 2**53  # the whole numbers up to here are doubles


def decide_columns(
    parameters: Sequence[tuple[str, bool]], golden: Golden | None, stated: Mapping[str, DeclaredFeature]
) -> list[DeclaredFeature]:
    """Returns the lines of `[features]` for a function of arrays, in the order of its parameters.

    Args:
        parameters: the function's parameters, each with whether it is required.
        golden: the golden rows, or None.
        stated: the features that the author states, by name; they come before what golden rows say.

    Raises:
        BundleNotWritten: a column or a stated feature is no parameter, a required one is not in the golden rows, or a
            column of golden rows is of no type.
    """
    names = [name for name, _ in parameters]
    columns = {} if golden is None else golden.columns
    if strangers := [name for name in [*stated, *columns] if name not in names]:
        raise BundleNotWritten(f"'{strangers[0]}' is not a parameter of predict; it has {', '.join(names)}")
    absent = [name for name, required in parameters if required and name not in columns]
    if golden is not None and absent:
        raise BundleNotWritten(f"golden has no column '{absent[0]}', which is a parameter of predict without a default")
    return [_decided(name, golden, stated) for name in names if name in stated or name in columns]


def decide_frame(golden: Golden | None, stated: Mapping[str, DeclaredFeature]) -> list[DeclaredFeature]:
    """Returns the lines of `[features]` for a function of a frame: its columns, in the order of the golden rows.

    Args:
        golden: the golden rows; None for the columns that the author states.
        stated: the features that the author states, by name.

    Raises:
        BundleNotWritten: the columns are not known, or a stated one is not in the golden rows.
    """
    if golden is None:
        if not stated:
            raise BundleNotWritten(
                "the columns of the frame are not known: give golden rows, or features, such as {'age': 'double'}"
            )
        return list(stated.values())
    if strangers := [name for name in stated if name not in golden.columns]:
        raise BundleNotWritten(f"'{strangers[0]}' is in features, but is not a column of golden")
    return [_decided(name, golden, stated) for name in golden.columns]


def _decided(name: str, golden: Golden | None, stated: Mapping[str, DeclaredFeature]) -> DeclaredFeature:
    if name in stated or golden is None:
        return stated[name]
    if golden.says_nothing(name):
        raise BundleNotWritten(
            f"golden column '{name}' has no value, so its type is not known: give it by features={{'{name}': 'double'}}"
        )
    vector = golden.vector(name)
    least, _ = _LIMITS["int"]
    kind = "int64" if vector.type == "int" and vector.values.min() < least else vector.type
    return DeclaredFeature(name, kind, vector.levels, ordered=vector.ordered)


def golden_vectors(golden: Golden, features: Sequence[DeclaredFeature]) -> list[Vector]:
    """Returns the golden rows as a gateway sends them to the function: in the declared types.

    Raises:
        BundleNotWritten: a value is not of its feature's type; the message names column and row.
    """
    return [_converted(golden.vector(feature.name), feature) for feature in features if feature.name in golden.columns]


def _converted(vector: Vector, feature: DeclaredFeature) -> Vector:
    missing = missing_rows(vector)
    if missing.all() and vector.type != "factor":
        return _empty(feature, len(missing))
    if feature.type in ("string", "factor"):
        return _texts(vector, feature, missing)
    if feature.type == "bool" and vector.type == "bool":
        return vector
    if feature.type in ("double", "int", "int64") and vector.type in ("double", "int", "int64"):
        return _numbers(vector, feature, missing)
    raise _other(vector, feature)


def _other(vector: Vector, feature: DeclaredFeature) -> BundleNotWritten:
    return BundleNotWritten(f"golden column '{feature.name}' holds {vector.type}, but the feature is {feature.type}")


def _empty(feature: DeclaredFeature, rows: int) -> Vector:
    """Returns a column without any value."""
    if feature.type == "double":
        return Vector(feature.name, "double", np.full(rows, np.nan))
    values: Any = np.zeros(rows, np.int64) if feature.type in ("int", "int64") else np.zeros(rows, np.bool_)
    if feature.type in ("string", "factor"):
        values = np.full(rows, "", object) if feature.type == "string" else np.zeros(rows, np.int32)
    return Vector(feature.name, feature.type, values, np.ones(rows, np.bool_), feature.levels, feature.ordered)


def _numbers(vector: Vector, feature: DeclaredFeature, missing: Any) -> Vector:
    values = vector.values
    if feature.type == "double":
        _refuse(
            feature, ~missing & (vector.type != "double") & ~_within(values, -_EXACT, _EXACT), "a double can't hold"
        )
        return Vector(feature.name, "double", np.where(missing, np.nan, values.astype(np.float64)))
    low, high = _LIMITS[feature.type]
    if missing.any() or vector.type == "double":
        low, high = max(low, -_EXACT), min(high, _EXACT)
    broken = (values != np.trunc(np.where(missing, 0, values))) if vector.type == "double" else np.zeros_like(missing)
    _refuse(feature, ~missing & (broken | ~_within(values, low, high)), f"is no whole number from {low} to {high}")
    whole = np.where(missing, 0, values).astype(np.int32 if feature.type == "int" else np.int64)
    return Vector(feature.name, feature.type, whole, missing if missing.any() else None)


def _within(values: Any, low: int, high: int) -> Any:
    return (values >= low) & (values <= high)


def _refuse(feature: DeclaredFeature, wrong: Any, why: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise BundleNotWritten(f"golden column '{feature.name}', row {row}: the value {why}, and it is {feature.type}")


def _texts(vector: Vector, feature: DeclaredFeature, missing: Any) -> Vector:
    if vector.type not in ("string", "factor"):
        raise _other(vector, feature)
    values = vector.values
    if vector.type == "factor":
        values = np.array(vector.levels, object)[values]
    mask = missing if missing.any() else None
    if feature.type == "string":
        return Vector(feature.name, "string", np.where(missing, "", values), mask)
    places = {level: place for place, level in enumerate(feature.levels)}
    codes = np.array([-1 if absent else places.get(text, -1) for text, absent in zip(values, missing, strict=True)])
    strange = ~missing & (codes < 0)
    if strange.any():
        raise BundleNotWritten(
            f"golden column '{feature.name}', row {int(strange.argmax())}: the text is none of the factor's levels"
        )
    codes = np.where(missing, 0, codes).astype(np.int32)
    return Vector(feature.name, "factor", codes, mask, feature.levels, feature.ordered)
