"""What a caller says beside the rows, checked at once: what no gateway would take, or would take for something else."""

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
_MOST_LABELS = 64  # these two are the gateway's
_MOST_TEXT_BYTES = 1024


def check_timeout(timeout_s: object) -> float | None:
    """A timeout as a number of seconds; None for no deadline of the caller's own.

    Raises:
        TypeError: it is no number.
        ValueError: it is not positive, or over 10^8 s. (To gRPC, 0 would mean no deadline at all, and what its clock
            can't hold one that has passed.)
    """
    if timeout_s is None:
        return None
    number = _number("timeout_s", timeout_s, "seconds")
    if not 0 < number <= MOST_TIMEOUT_S:
        raise ValueError(f"timeout_s must be positive and at most {MOST_TIMEOUT_S:.0f}, not {number}")
    return number


def check_seconds(name: str, value: object, *, least: float = 0.0) -> float:
    """An argument that is a span of time, as a number of seconds.

    Raises:
        TypeError: it is no number.
        ValueError: it is under the least, over 10^8 s, or NaN.
    """
    number = _number(name, value, "seconds")
    if not least <= number <= MOST_TIMEOUT_S:
        raise ValueError(f"{name} must be {least:g} to {MOST_TIMEOUT_S:.0f} seconds, not {number}")
    return number


def check_default(default: object) -> float | None:
    """A default score as a number; None for none.

    Raises:
        TypeError: it is no number. (True is none: a model's scores are numbers or text.)
        ValueError: it is not finite.
    """
    if default is None:
        return None
    number = _number("default", default, "a score")
    if not math.isfinite(number):
        raise ValueError(f"default must be finite, not {number}")
    return number


def check_count(name: str, value: object) -> int:
    """An argument that is a whole number from 0 up.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is negative.
    """
    if isinstance(value, bool | np.timedelta64) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is a {type(value).__name__}: pass a whole number")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
    return int(value)


def check_version(version: object) -> int:
    """The number of a model's version; 0 is the one that serves.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is negative, or larger than any version can be.
    """
    number = check_count("version", version)
    if number > _MOST_VERSION:
        raise ValueError(f"version must be at most {_MOST_VERSION}, not {number}")
    return number


def check_flag(name: str, value: object) -> bool:
    """An argument that is True or False.

    Raises:
        TypeError: it is neither. (The text "False" would count as true.)
    """
    if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):  # numpy's
        raise TypeError(f"{name} is a {type(value).__name__}: pass True or False")
    return bool(value)


def check_hook(name: str, value: object) -> None:
    """Returns if an argument can be called, or is None.

    Raises:
        TypeError: it is neither.
    """
    if value is not None and not isinstance(value, Callable):  # type: ignore[arg-type]
        raise TypeError(f"{name} is a {type(value).__name__}: pass a function")


def check_text(name: str, value: object, *, empty: bool = False) -> str:
    """An argument that is a text as the gateway takes it: 1 to 1,024 bytes of UTF-8; an empty one too if `empty`.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty, where it may not be so, or too long, or has no UTF-8.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}: pass text")
    if not value and not empty:
        raise ValueError(f"{name} is empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        # Its own message holds the text, and it is chained to nothing for the same reason.
        raise ValueError(f"{name} has half of a surrogate pair, which UTF-8 can't hold") from None
    if size > _MOST_TEXT_BYTES:
        raise ValueError(f"{name} has {size} bytes; the gateway takes {_MOST_TEXT_BYTES}")
    return value


def check_id(name: str, given: object, longest: int, whose: str = "") -> str:
    """An argument that is an id of printable ASCII, at most `longest` characters; a UUID as it is written.

    Raises:
        TypeError: it is no text.
        ValueError: it is longer, or not printable ASCII.
    """
    if isinstance(given, uuid.UUID):
        return str(given)
    if not isinstance(given, str):
        raise TypeError(f"{name} is a {type(given).__name__}: pass text or a UUID")
    if not (0 < len(given) <= longest and given.isascii() and given.isprintable()):
        raise ValueError(f"the {name}{whose} must be 1 to {longest} printable ASCII characters")
    return given


def read_labels(labels: object) -> dict[str, str]:
    """The labels of a call as they are sent; none for None.

    Raises:
        TypeError: they are no mapping from texts to texts.
        ValueError: they are over 64, or one is empty or too long.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise TypeError(f"labels is a {type(labels).__name__}: pass a dict of texts")
    if len(labels) > _MOST_LABELS:
        raise ValueError(f"{len(labels)} labels; the gateway takes {_MOST_LABELS}")
    return {
        check_text("a label's name", name): check_text(f"the label '{name}'", value, empty=True)
        for name, value in labels.items()
    }


def read_texts(name: str, values: object) -> list[str]:
    """A list of texts, from any iterable of them but a text itself: nobody means its letters.

    Raises:
        TypeError: it is no list of texts; the message has the place of the first entry that is no text.
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
    """Row keys as they are sent: texts, whole numbers in decimal, UUIDs as they are written.

    Raises:
        TypeError: it is no list of them; the message has the row of the first other entry. (A key 7.0 would not be
            found as 7.)
        ValueError: a key is too long, or has half of a surrogate pair; the message has its row.
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
            check_text(f"row_keys, row {row}:", key, empty=True)
    return keys


def _key(row: int, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool | np.timedelta64):
        return str(int(value))
    raise TypeError(f"row_keys, row {row}: a {type(value).__name__}; keys are texts, whole numbers or UUIDs: pass text")


def _number(name: str, value: object, what: str) -> float:
    # numpy's numbers are Real too, and so is its timedelta64, of any unit.
    if isinstance(value, bool | np.timedelta64) or not isinstance(value, numbers.Real):
        remedy = "pass its total_seconds()" if hasattr(value, "total_seconds") else f"pass a number, {what}"
        raise TypeError(f"{name} is a {type(value).__name__}: {remedy}")
    return float(value)
