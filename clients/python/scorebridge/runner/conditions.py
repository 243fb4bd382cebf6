"""What the runner raises, and how an exception of a model is told in one line."""

from __future__ import annotations

import traceback

__all__ = ["BundleFault", "Malformed", "class_name", "place_in", "told"]

_MOST_CHARACTERS = 600


class BundleFault(Exception):
    """The bundle can't be loaded; the message is one sentence for its author."""


class Malformed(Exception):
    """A prediction is not one typed score for each row; the message says what it is, and what to return instead."""


def told(error: BaseException | str) -> str:
    """Returns the message of an exception, or a text, on one line of at most 600 characters."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - a model's own exception may not be able to tell itself
        text = "its message can't be made"
    text = " ".join(text[: 2 * _MOST_CHARACTERS].split())
    return "".join(one if one.isprintable() else "?" for one in text)[:_MOST_CHARACTERS]


def class_name(value: object) -> str:
    """Returns the name of an object's class, with its module unless that is Python's own."""
    kind = type(value)
    module = getattr(kind, "__module__", None)
    full = f"{module}.{kind.__qualname__}" if isinstance(module, str) and module != "builtins" else kind.__qualname__
    return told(full)


def place_in(folder: str, error: BaseException) -> str:
    """Returns the place in a file of a folder at which an exception was raised, such as "Pred.py, line 3", or ""."""
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):  # which reads no source, as extract_tb would
        path = frame.f_code.co_filename
        if path.startswith(folder + "/"):
            found = f"{path[len(folder) + 1 :]}, line {line}"
    return found
