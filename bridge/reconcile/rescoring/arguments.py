"""What a function gets of a column: the types are those of serving, and come about by code of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from bridge.reconcile.rescoring.call_reader import Column, Declared

__all__ = ["given"]

_MOST = {"int": 2**31 - 1, "int64": 2**53}  # the largest whole numbers of a matrix, whose numbers are doubles
_NUMBERS = {"double", "int", "int64"}


def given(column: Column, line: Declared | None, *, framed: bool) -> Any:
    """Returns a column as the function gets it; one that is not declared keeps the type that it was sent with.

    Args:
        column: the column.
        line: what model.toml declares; None if it declares nothing.
        framed: whether it goes into a frame.

    Raises:
        ValueError: the numbers of a matrix do not fit what model.toml declares.
    """
    name, values, missing = column
    sent = {"f": "double", "i": "int64", "b": "bool", "O": "string"}[values.dtype.kind]
    kind = sent if line is None or line.type == "None" else line.type
    numeric = kind in _NUMBERS
    if missing.all():
        values = np.zeros(len(values)) if numeric else np.full(len(values), None, object)
    elif numeric != (sent in _NUMBERS) or (not numeric and (kind == "bool") != (sent == "bool")):
        raise ValueError(f"the column '{name}' does not fit the type that model.toml declares")
    if kind == "double" or (numeric and missing.any()):
        return np.where(missing, np.nan, _fitting(name, values, missing, kind).astype(np.float64))
    if numeric:
        return _fitting(name, values, missing, kind).astype(np.int64)
    if kind == "bool" and not missing.any():
        return values.astype(np.bool_)
    if line is not None and line.levels:
        return _levels(values, missing, line, framed=framed)
    found = _objects(values, missing, np.nan if framed else None)
    return _text(found) if framed and kind == "string" else found


def _fitting(name: str, values: Any, missing: Any, kind: str) -> Any:
    numbers = np.where(missing, 0, values)
    most = _MOST.get(kind)
    if most and numbers.dtype.kind == "f" and ((numbers != np.rint(numbers)) | (np.abs(numbers) > most)).any():
        raise ValueError(f"the column '{name}' has a number that does not fit the type that model.toml declares")
    return numbers


def _objects(values: Any, missing: Any, absent: Any) -> Any:
    found = values.astype(object)
    found[missing] = absent
    return found


def _text(texts: Any) -> Any:
    import pandas as pd  # noqa: PLC0415 - only functions of a frame need it

    return pd.Series(texts, dtype=pd.Series(["text"]).dtype)  # also where all are missing


def _levels(values: Any, missing: Any, line: Declared, *, framed: bool) -> Any:
    strange = np.array([value not in line.levels for value in values], np.bool_)
    texts = _objects(values, missing | strange, None)
    if not framed:
        return texts
    import pandas as pd  # noqa: PLC0415 - only functions of a frame need it

    return pd.Categorical(texts, line.levels, ordered=line.type == "ordered")
