"""Reads JSON strictly: what other readers would take in one way or another is refused."""

import json
import re
from typing import Any, Never

from bridge.codecs.scorebridge_v1.bounds import Bounds, too_many
from bridge.errors import InvalidRequest
from bridge.texts import brief

__all__ = ["read_object"]

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OBJECTS_A_TENSOR = 2  # the tensor and its parameters
_ARRAYS_A_TENSOR = 3  # its shape, its data, and one to spare
_SPARE = 64  # objects or arrays beside the tensors
_VALUES_A_ROW = 2  # a message of this wire has no more values than twice its rows, or it is a matrix sent as text
_MOST_SHOWN = 100  # characters of a caller's name


def read_object(raw: bytes, bounds: Bounds) -> dict[str, Any]:
    """Returns the object that a JSON text holds; its numbers are int or float, as they are written.

    Args:
        raw: the text's bytes, in UTF-8.
        bounds: how many rows and columns it may have; its objects and arrays are counted before they are built.

    Raises:
        InvalidRequest: the bytes are not the JSON text of an object, name a field twice, hold NaN or Infinity, are
            nested too deeply, or hold more than allowed.
    """
    _check_counts(raw, bounds)
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:  # the limit that Python sets for the digits of a whole number
        raise InvalidRequest("the body has a whole number with too many digits") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None
    if not isinstance(found, dict):
        raise InvalidRequest("the body must be a JSON object")
    return found


def _check_counts(raw: bytes, bounds: Bounds) -> None:
    most_objects = _OBJECTS_A_TENSOR * bounds.columns + _SPARE
    most_arrays = bounds.rows + _ARRAYS_A_TENSOR * bounds.columns + _SPARE
    most_values = _VALUES_A_ROW * bounds.rows + bounds.columns
    counted = ((b"{", most_objects, "objects"), (b"[", most_arrays, "arrays"), (b",", most_values, "values"))
    if all(raw.count(sign) <= most for sign, most, _ in counted):
        return
    bare = _STRING.sub(b"", raw)  # texts may hold these signs
    for sign, most, what in counted:
        if bare.count(sign) > most:
            raise too_many(what, most)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidRequest(f"the field '{brief(name, _MOST_SHOWN)}' is there twice in one object")
            seen.add(name)
    return found


def _refuse_constant(_: str) -> Never:
    raise InvalidRequest("JSON has no NaN and no Infinity; a missing number is null")
