"""Checks of a call's arguments, the rows excepted: refuses at once what a gateway would refuse or misunderstand."""

import math
import numbers
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

__all__ = [
    "MOST_TIMEOUT_S",
    "check_count",
    "check_default",
    "check_flag",
    "check_hook",
    "check_id",
    "check_seconds",
    "check_text",
    "check_timeout",
    "check_version",
    "read_keys",
    "read_labels",
    "read_texts",
]

MOST_TIMEOUT_S = 1e8  # three years
_MOST_VERSION = 2**32 - 1
_MOST_LABELS = 64  # the gateway's limit, as is the next one
_MOST_TEXT_BYTES = 1024


def check_timeout(timeout_s: object) -> float | None:
    """Returns a timeout as a number of seconds; None, which stays None, means that the caller sets no deadline.

    Raises:
        TypeError: the timeout is not a number.
        ValueError: the timeout is not positive, or over 10^8 s. (gRPC takes 0 for no deadline, and a time that its
            clock can't hold for a deadline that has passed.)
    """
    if timeout_s is None:
        return None
    number = _number("timeout_s", timeout_s, "seconds")
    if not 0 < number <= MOST_TIMEOUT_S:
        raise ValueError(f"timeout_s must be over 0 and at most {MOST_TIMEOUT_S:.0f} seconds, not {number}")
    return number


def check_seconds(name: str, value: object, *, least: float = 0.0) -> float:
    """Returns an argument that is a length of time, as a number of seconds.

    Raises:
        TypeError: the value is not a number.
        ValueError: the value is below `least`, over 10^8 s, or NaN.
    """
    number = _number(name, value, "seconds")
    if not least <= number <= MOST_TIMEOUT_S:
        raise ValueError(f"{name} must be {least:g} to {MOST_TIMEOUT_S:.0f} seconds, not {number}")
    return number


def check_default(default: object) -> float | None:
    """Returns a default score as a number; None, which stays None, means no default score.

    Raises:
        TypeError: the default is not a number. (True and False are refused: a model's scores are numbers or text.)
        ValueError: the default is NaN or infinite.
    """
    if default is None:
        return None
    number = _number("default", default, "a score")
    if not math.isfinite(number):
        raise ValueError(f"default must be finite, not {number}")
    return number


def check_count(name: str, value: object) -> int:
    """Returns an argument that is a whole number, 0 or more.

    Raises:
        TypeError: the value is not a whole number.
        ValueError: the value is negative.
    """
    if isinstance(value, bool | np.timedelta64) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is a {type(value).__name__}: pass a whole number")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
    return int(value)


def check_version(version: object) -> int:
    """Returns the number of a model's version; 0 means the version that serves.

    Raises:
        TypeError: the version is not a whole number.
        ValueError: the version is negative or over 4294967295, the largest number that the protocol can send.
    """
    number = check_count("version", version)
    if number > _MOST_VERSION:
        raise ValueError(f"version must be at most {_MOST_VERSION}, not {number}")
    return number


def check_flag(name: str, value: object) -> bool:
    """Returns an argument that is True or False.

    Raises:
        TypeError: the value is neither. (Python would take the text "False" for true.)
    """
    if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):  # numpy's
        raise TypeError(f"{name} is a {type(value).__name__}: pass True or False")
    return bool(value)


def check_hook(name: str, value: object) -> None:
    """Checks that an argument is a function or None.

    Raises:
        TypeError: the value is neither.
    """
    if value is not None and not isinstance(value, Callable):  # type: ignore[arg-type]
        raise TypeError(f"{name} is a {type(value).__name__}: pass a function")


def check_text(name: str, value: object, *, empty: bool = False) -> str:
    """Returns an argument that is text of 1 to 1,024 bytes of UTF-8; with `empty` it may be empty.

    Raises:
        TypeError: the value is not text.
        ValueError: the text is empty without `empty`, is too long, or can't be encoded as UTF-8.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}: pass text")
    if not value and not empty:
        raise ValueError(f"{name} is empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        # Not chained to Python's own error, whose message holds the text.
        raise ValueError(f"{name} has half of a surrogate pair, which UTF-8 can't hold") from None
    if size > _MOST_TEXT_BYTES:
        raise ValueError(f"{name} has {size} bytes; the gateway takes at most {_MOST_TEXT_BYTES}")
    return value


def check_id(name: str, given: object, longest: int, whose: str = "") -> str:
    """Returns an argument that is an id of 1 to `longest` printable ASCII characters; a UUID becomes text.

    Args:
        name: the argument's name, for messages.
        given: the id.
        longest: the largest number of characters.
        whose: what follows the name in messages, such as " of a batch ...".

    Raises:
        TypeError: the id is neither text nor a UUID.
        ValueError: the id is empty, too long, or not printable ASCII.
    """
    if isinstance(given, uuid.UUID):
        return str(given)
    if not isinstance(given, str):
        raise TypeError(f"{name} is a {type(given).__name__}: pass text or a UUID")
    if not (0 < len(given) <= longest and given.isascii() and given.isprintable()):
        raise ValueError(f"the {name}{whose} must be 1 to {longest} printable ASCII characters")
    return given


def read_labels(labels: object) -> dict[str, str]:
    """Returns the labels of a call as they are sent; an empty dict for None.

    Raises:
        TypeError: the labels are not a mapping from text to text.
        ValueError: there are over 64 labels, a name is empty, or a name or value is too long.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise TypeError(f"labels is a {type(labels).__name__}: pass a dict of texts")
    if len(labels) > _MOST_LABELS:
        raise ValueError(f"labels has {len(labels)} entries; the gateway takes at most {_MOST_LABELS}")
    return {
        check_text("a label's name", name): check_text(f"the label '{name}'", value, empty=True)
        for name, value in labels.items()
    }


def read_texts(name: str, values: object) -> list[str]:
    """Returns a list of texts from an iterable of texts. A single text is refused: its letters are never meant.

    Raises:
        TypeError: the value is not an iterable of texts; the message gives the position of the first other entry.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping):
        raise TypeError(f"{name} must be a list of texts, or an array or index of them")
    listed = list(values)
    if not all(issubclass(kind, str) for kind in set(map(type, listed))):
        place = next(at for at, one in enumerate(listed) if not isinstance(one, str))
        kind = type(listed[place]).__name__
        raise TypeError(f"{name} must be a list of texts, or an array or index of them: entry {place} is a {kind}")
    return listed


def read_keys(values: Any) -> list[str]:
    """Returns row keys as they are sent, as text: whole numbers in decimal digits, UUIDs with their hyphens.

    Raises:
        TypeError: the values are no list of texts, whole numbers or UUIDs; the message gives the row of the first
            other entry. (A fractional key is refused: 7.0 would not be found as 7.)
        ValueError: a key is too long, or has half of a surrogate pair; the message gives its row.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping):
        raise TypeError("row_keys must be a list of texts, whole numbers or UUIDs, or an array or index of them")
    listed = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    if all(issubclass(kind, str) for kind in set(map(type, listed))):
        keys = listed
    else:
        keys = [_key(row, value) for row, value in enumerate(listed)]
    longest = max(map(len, keys), default=0)
    if longest * 4 > _MOST_TEXT_BYTES or not all(map(str.isascii, keys)):
        for row, key in enumerate(keys):
            check_text(f"row_keys, row {row}", key, empty=True)
    return keys


def _key(row: int, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool | np.timedelta64):
        return str(int(value))
    raise TypeError(f"row_keys, row {row} is a {type(value).__name__}: pass text, a whole number or a UUID")


def _number(name: str, value: object, what: str) -> float:
    # numpy's numbers are Real too, and so is its timedelta64, of any unit.
    if isinstance(value, bool | np.timedelta64) or not isinstance(value, numbers.Real):
        remedy = "pass its total_seconds()" if hasattr(value, "total_seconds") else f"pass a number, {what}"
        raise TypeError(f"{name} is a {type(value).__name__}: {remedy}")
    return float(value)
