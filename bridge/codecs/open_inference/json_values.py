"""Reads the values of tensors from JSON arrays; exact for their datatype, or refused. null is missing."""

import math
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import numpy as np

from bridge.codecs.open_inference.batches import place_in
from bridge.codecs.open_inference.datatypes import Datatype
from bridge.codecs.open_inference.inference import Values
from bridge.codecs.open_inference.tensors import Place, shown
from bridge.codecs.runs import RUN
from bridge.columns import Array, Type
from bridge.errors import InvalidRequest

__all__ = ["read_values"]

_EXACT = {Type.DOUBLE: 2.0**53, Type.FLOAT: 2.0**24}  # up to here the type holds every whole number exactly
_WORDS = {Type.BOOL: "true or false", Type.STRING: "a string", Type.INT: "a whole number", Type.INT64: "a whole number"}


def read_values(name: str, data: Any, datatype: Datatype, count: int, width: int) -> Values:
    """Returns the values of a tensor that was sent as a JSON array, flat or nested as its shape says.

    Args:
        name: the tensor's name.
        data: the parsed array.
        datatype: the tensor's datatype.
        count: the number of values that its shape asks for.
        width: how many values a row of the tensor has.

    Raises:
        InvalidRequest: the array has another shape, or a value that is not exactly one of the datatype.
    """
    if not datatype.field:
        raise InvalidRequest(f"tensor '{shown(name)}' is {datatype.name}, which must be sent as binary data")
    entries = _flat(data, width, name)
    if len(entries) != count:
        raise InvalidRequest(f"tensor '{shown(name)}' has {len(entries)} values; its shape asks for {count}")
    runs = [
        _read_run(entries[first : first + RUN], datatype, name, partial(_place, width, first))
        for first in range(0, count, RUN)
    ]
    if not runs:
        return Values(np.empty(0, datatype.dtype))
    missing = None
    if any(run.missing is not None for run in runs):
        missing = np.concatenate(
            [np.zeros(len(run.entries), np.bool_) if run.missing is None else run.missing for run in runs]
        )
    return Values(np.concatenate([run.entries for run in runs]), missing)


def _place(width: int, first: int, number: int) -> str:
    return place_in(width, first + number)


def _read_run(entries: list[Any], datatype: Datatype, name: str, place: Place) -> Values:
    """Returns some values of a tensor, so few that no other thread has to wait long."""
    kinds = set(map(type, entries))
    missing = None
    if type(None) in kinds:
        missing = np.array([one is None for one in entries], np.bool_)
        placeholder: Any = {Type.STRING: "", Type.BOOL: False}.get(datatype.type, 0)
        entries = [placeholder if one is None else one for one in entries]
        kinds.discard(type(None))
    allowed = _allowed(datatype)
    if not kinds <= allowed:
        number = next(number for number, one in enumerate(entries) if type(one) not in allowed)
        word = _WORDS.get(datatype.type, "a number")
        raise InvalidRequest(f"tensor '{shown(name)}', {place(number)}: not {word}, and it is {datatype.name}")
    return Values(_converted(entries, datatype, name, place), missing)


def _allowed(datatype: Datatype) -> AbstractSet[type]:
    if datatype.type.is_floating:
        return {int, float}
    return {{Type.BOOL: bool, Type.STRING: str}.get(datatype.type, int)}


def _flat(data: Any, width: int, name: str) -> list[Any]:
    if not isinstance(data, list):
        raise InvalidRequest(f"tensor '{shown(name)}': its data must be an array")
    if not data or not isinstance(data[0], list):
        return data
    for row, entries in enumerate(data):
        if not isinstance(entries, list) or len(entries) != width:
            raise InvalidRequest(f"tensor '{shown(name)}', row {row}: not an array of {width} values")
    return [one for entries in data for one in entries]


def _converted(entries: list[Any], datatype: Datatype, name: str, place: Place) -> Array:
    if datatype.type is Type.STRING:
        return _texts(entries, name, place)
    if datatype.type is Type.BOOL:
        return np.array(entries, np.bool_)
    if datatype.type.is_floating:
        return _floating(entries, datatype, name, place)
    limits = np.iinfo(datatype.dtype)
    least, most = int(limits.min), int(limits.max)
    if entries and (min(entries) < least or max(entries) > most):
        number = next(number for number, one in enumerate(entries) if not least <= one <= most)
        raise InvalidRequest(f"tensor '{shown(name)}', {place(number)}: does not fit {datatype.name}")
    return np.array(entries, datatype.dtype)


def _texts(entries: list[str], name: str, place: Place) -> Array:
    for number, text in enumerate(entries):
        if "\0" in text:
            raise InvalidRequest(f"tensor '{shown(name)}', {place(number)}: holds a NUL character")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise InvalidRequest(f"tensor '{shown(name)}', {place(number)}: holds half a surrogate pair") from None
    values = np.empty(len(entries), object)
    values[:] = entries
    return values


def _floating(entries: list[Any], datatype: Datatype, name: str, place: Place) -> Array:
    try:
        doubles = np.array(entries, np.float64)
    except OverflowError:
        doubles = np.array([_double(one) for one in entries], np.float64)
    with np.errstate(over="ignore"):
        values = doubles.astype(datatype.dtype)
    large = np.flatnonzero(np.abs(doubles) >= _EXACT[datatype.type]).tolist()
    inexact = [number for number in large if np.isinf(values[number]) or _is_rounded(entries[number], values[number])]
    if datatype.type is Type.FLOAT and not inexact:
        inexact = _halfway(doubles, values)
    if inexact:
        raise InvalidRequest(
            f"tensor '{shown(name)}', {place(inexact[0])}: a number that {datatype.name} does not hold"
        )
    return values


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _is_rounded(entry: Any, value: Any) -> bool:
    """Whether a whole number became another one; numbers with a point or exponent stand for the nearest value."""
    return isinstance(entry, int) and int(value) != entry


def _halfway(doubles: Array, floats: Array) -> list[int]:
    """Returns the numbers of values that lie exactly between two floats, of which neither is known to be meant.

    The digits of such a value may be the fewest that stand for one of the two, as 3.961373e7 for 39613728. Whoever
    writes floats in their shortest form writes just that, and means the float that it is rounded to.
    """
    near = floats.astype(np.float64)
    towards = np.where(doubles > near, np.float32(np.inf), np.float32(-np.inf)).astype(np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        other = np.nextafter(floats, towards).astype(np.float64)
        middle = near + (other - near) / 2
    between: list[int] = np.flatnonzero((doubles != near) & (doubles == middle)).tolist()
    return [number for number in between if float(str(floats[number])) != doubles[number]]
