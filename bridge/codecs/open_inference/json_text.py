"""Reads the JSON text of a request or an answer of the protocol's REST form."""

from typing import Any

from bridge.codecs.json.documents import first_twice, read_document
from bridge.codecs.json.runs import Shape
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.errors import InvalidRequest
from bridge.texts import brief

__all__ = ["read_object"]

_MOST_ROW_ARRAYS = 100_000  # for more rows, data that is not nested: Python's own collector would go over so many lists
_MOST_DEPTH = 8  # a request has six levels
_OBJECTS_A_TENSOR = 2  # the tensor and its parameters
_ARRAYS_A_TENSOR = 3  # its shape, its data, and one to spare
_FIELDS_A_TENSOR = 16  # its own and those of its parameters
_SPARE = 64  # objects, arrays or values beside the tensors
_VALUES_A_ROW = 2  # what has more values than twice its rows is a matrix that should be sent as binary data
_MOST_SHOWN = 100  # characters of a caller's name


def read_object(raw: bytes, bounds: Bounds) -> dict[str, Any]:
    """Returns the object that a JSON text holds; its numbers are int or float, as they are written, -0 a float.

    Args:
        raw: the text's bytes, in UTF-8.
        bounds: how many rows and columns it may have; they limit its objects, arrays and values.

    Raises:
        InvalidRequest: the bytes are not the JSON text of an object, name a field twice, hold NaN or Infinity, are
            nested too deeply, or hold more than allowed.
    """
    shape = Shape(
        arrays=min(bounds.rows, _MOST_ROW_ARRAYS) + _ARRAYS_A_TENSOR * bounds.columns + _SPARE,
        objects=_OBJECTS_A_TENSOR * bounds.columns + _SPARE,
        values=_VALUES_A_ROW * bounds.rows + _FIELDS_A_TENSOR * bounds.columns + _SPARE,
        depth=_MOST_DEPTH,
    )
    found = read_document(raw, shape, _object).value
    if not isinstance(found, dict):
        raise InvalidRequest("the body must be a JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = first_twice(name for name, _ in pairs)
        raise InvalidRequest(f"'{brief(twice, _MOST_SHOWN)}' is there twice in one object")
    return found
