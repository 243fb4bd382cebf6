"""Rows as Python and Spark have them, such as dicts, as entities' keys and columns of a group's features."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from bridge.columns import DOUBLE_EXACT, INT_MAX, INT_MIN, Column, Type
from bridge.features.publishing.publishing_errors import PublicationRefused
from bridge.features.stores.group import GroupFeature
from bridge.row_files.chunk_building import key_fault

__all__ = ["column_of", "key_of"]


class _Unfit(Exception):
    """A value is none of the feature's type."""


def key_of(row: Any, column: str, number: int) -> bytes:
    """Returns the key of a row's entity in UTF-8.

    Args:
        row: the row.
        column: the name of the key's column.
        number: the number of the row in its partition, from 0.

    Raises:
        PublicationRefused: the row has no key, or one that is no text or whole number or longer than 1 KiB.
    """
    given = _value(row, column, number)
    whole = isinstance(given, Integral) and not isinstance(given, bool)
    if given is not None and not whole and not isinstance(given, str):
        raise _refused(column, number, f"a key is a text or a whole number, and this one is a {type(given).__name__}")
    text = str(int(given)) if whole else given or ""
    try:
        fault = key_fault(column, text)
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise _refused(column, number, "the key is no Unicode text") from error
    if fault is not None:
        raise _refused(column, number, "the row has no key" if fault.reason == "NO_KEY" else fault.detail)
    return raw


def column_of(rows: Sequence[Any], feature: GroupFeature, first: int) -> Column:
    """Returns a feature of rows as a column; None is missing, and of numbers NaN is too.

    Args:
        rows: the rows, in which each column is found by its name.
        feature: the feature.
        first: the number of the first row in its partition, from 0.

    Raises:
        PublicationRefused: a row does not have the column, or has a value that is none of the feature's type.
    """
    values = np.zeros(len(rows), feature.type.dtype)
    if feature.type is Type.STRING:
        values[:] = ""
    mask = np.zeros(len(rows), np.bool_)
    read = _READ[feature.type]
    for at, row in enumerate(rows):
        given = _value(row, feature.name, first + at)
        try:
            found = None if given is None else read(given)
        except _Unfit as error:
            what = f"a {type(given).__name__} that is no value of type {feature.type}"
            raise _refused(feature.name, first + at, what) from error
        mask[at] = found is None
        values[at] = values[at] if found is None else found
    if feature.type is Type.DOUBLE:
        return Column(feature.name, feature.type, np.where(mask, np.nan, values))
    return Column(feature.name, feature.type, values, mask if mask.any() else None)


def _value(row: Any, name: str, number: int) -> Any:
    try:
        return row[name]
    except (KeyError, ValueError, IndexError) as error:
        raise PublicationRefused(
            f"row {number} of a partition has no column '{name}': give None where it is missing"
        ) from error


def _refused(column: str, number: int, what: str) -> PublicationRefused:
    return PublicationRefused(f"column '{column}', row {number} of a partition: {what}")


def _double(given: Any) -> float | None:
    if isinstance(given, bool) or not isinstance(given, Real | Decimal | np.number):
        raise _Unfit
    if isinstance(given, Integral) and abs(int(given)) > DOUBLE_EXACT:
        raise _Unfit
    number = float(given)
    if isinstance(given, Decimal) and abs(number) > DOUBLE_EXACT and Decimal(number) != given:
        raise _Unfit
    return None if math.isnan(number) else number


def _whole(least: int, most: int) -> Callable[[Any], int | None]:
    def read(given: Any) -> int | None:
        if isinstance(given, float) and math.isnan(given):
            return None
        if isinstance(given, bool) or not isinstance(given, Real | Decimal):
            raise _Unfit
        number: Any = given
        if not math.isfinite(number) or number != int(number) or not least <= number <= most:
            raise _Unfit
        return int(number)

    return read


def _truth(given: Any) -> bool:
    if not isinstance(given, bool | np.bool_):
        raise _Unfit
    return bool(given)


def _text(given: Any) -> str:
    if not isinstance(given, str) or "\0" in given:
        raise _Unfit
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise _Unfit from error
    return given


_READ: dict[Type, Callable[[Any], Any]] = {
    Type.DOUBLE: _double,
    Type.INT: _whole(INT_MIN + 1, INT_MAX),  # the least int is R's NA, and no number
    Type.INT64: _whole(-DOUBLE_EXACT, DOUBLE_EXACT),
    Type.BOOL: _truth,
    Type.STRING: _text,
}
