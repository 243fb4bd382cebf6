"""Reads one line of JSON lines: an object whose names are there once, with numbers as they are written."""

import json
from typing import Any

__all__ = ["BadLine", "JsonNumber", "read_object"]


class BadLine(ValueError):
    """A line is not what it must be; the message says why, without a value."""


class JsonNumber(str):
    """The digits of a number, as they are written."""

    __slots__ = ()


def read_object(line: str) -> dict[str, Any]:
    """Returns the object in a line, with its numbers as `JsonNumber`.

    Raises:
        BadLine: the line is no JSON object, has a name twice, NaN or an infinity, or half of a surrogate pair.
    """
    try:
        read = json.loads(
            line,
            object_pairs_hook=_once,
            parse_float=JsonNumber,
            parse_int=JsonNumber,
            parse_constant=_refused,
        )
        json.dumps(read, ensure_ascii=False).encode() if "\\u" in line else None
    except BadLine:
        raise
    except UnicodeEncodeError:
        raise BadLine("the line has half of a surrogate pair, which UTF-8 can't hold") from None
    except (ValueError, RecursionError):
        raise BadLine("the line is not JSON: each line must be one object, {...}") from None
    if not isinstance(read, dict):
        raise BadLine("the line is not a JSON object: each line must be one object, {...}")
    return read


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise BadLine("the object has a name twice")
    return read


def _refused(_: str) -> Any:
    raise BadLine("the line has NaN or an infinity, which JSON lacks: write null for a missing value")
