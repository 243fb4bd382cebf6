"""Plain constants as Python text."""

import ast
import math
from typing import Any

__all__ = ["constant_text"]

_MOST_CHARACTERS = 100_000
_SCALARS = (type(None), bool, int, float, complex, str, bytes, type(...))
_MOST_DEEP = 20


def constant_text(value: Any) -> str | None:
    """Returns Python text that gives back a value: a number, text, or a tuple, list, dict or set of such.

    Returns:
        The text; None if the value is none of these, or longer than 100,000 characters.
    """
    if type(value) is float and not math.isfinite(value):
        return f'float("{value}")'
    if not _plain(value):
        return None
    text = _text(value)
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        read = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return text if type(read) is type(value) and _text(read) == text else None


def _plain(value: Any, deep: int = 0) -> bool:
    """Whether a value is made of Python's own plain types, so that its text tells all of it."""
    if type(value) in _SCALARS:
        return True
    if deep == _MOST_DEEP or type(value) not in (tuple, list, dict, set):
        return False
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return all(_plain(part, deep + 1) for part in parts)


def _text(value: Any) -> str:
    """Returns the text of a plain value; a set is written in the order of its texts, as its own order may differ."""
    if isinstance(value, set) and value:
        return "{" + ", ".join(sorted(map(_text, value))) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_text, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)
