"""Reads JSON strictly: bounded before anything is built, and nothing taken that reads two ways.

The standard library's parser is told to refuse what RFC 8259 does not have (NaN, Infinity) or leaves open (a name that
is there twice). An object becomes a `Members`: of a thousand rows with the same names, the names are kept once.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from bridge.errors import InvalidRequest

__all__ = ["Document", "Members", "Shape", "name_text", "read_document", "said"]

# A text, or what begins as one and has no end: without that, and with backtracking, it would be looked for again and
# again from every quotation mark in it.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_MUCH_BYTES = 64 << 10
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_PAIRS = (b"[]", b"{}")
_MOST_SHOWN = 80  # characters of a name in a message
_ESCAPE = b"\\u"
_NEGATIVE_ZERO = re.compile(rb"-0(?![.0-9eE])")


class Members(NamedTuple):
    """An object of JSON: its names, each there once, and their values."""

    names: tuple[str, ...]
    values: tuple[Any, ...]


_NO_MEMBERS = Members((), ())


@dataclass(frozen=True, slots=True)
class Shape:
    """How much a document may hold, counted before it is parsed.

    Attributes:
        arrays: the most arrays.
        objects: the most objects.
        values: the most values in arrays and objects together.
        depth: the most arrays and objects in one another.
    """

    arrays: int
    objects: int
    values: int
    depth: int


class Document(NamedTuple):
    """A parsed document.

    Attributes:
        value: what it holds.
        escaped: whether texts may hold characters that only an escape can write: NUL and halves of surrogate pairs.
    """

    value: Any
    escaped: bool


def read_document(raw: bytes, shape: Shape) -> Document:
    """Parses a JSON document.

    Args:
        raw: its bytes, in UTF-8.
        shape: how much it may hold.

    Raises:
        InvalidRequest: it is not JSON, holds more than it may, or a name is there twice in one object.
    """
    if _is_too_much(raw, shape) is not None:
        _check_shape(raw, shape)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise InvalidRequest("the body begins with a byte order mark, which JSON does not have")
    return Document(_parsed(raw, text, shape), _ESCAPE in raw)


def _parsed(raw: bytes, text: str, shape: Shape) -> Any:
    # Functions of ours for each number take longer, but let the event loop's thread have its turn meanwhile.
    much = len(raw) > _MUCH_BYTES
    whole: Any = _whole if much or _NEGATIVE_ZERO.search(raw) else None
    real: Any = _real if much else None
    try:
        return json.loads(
            text,
            object_pairs_hook=_Objects(escaped=_ESCAPE in raw).members,
            parse_constant=_refuse_constant,
            parse_int=whole,
            parse_float=real,
        )
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise _too_deep(shape.depth) from None
    except ValueError:  # Python takes no longer whole numbers
        raise InvalidRequest("the body holds a whole number of more than 4300 digits") from None


def said(kind: Any) -> str:
    """Returns what a parsed value is, in JSON's words, such as "an object"."""
    if isinstance(kind, bool):
        return "true or false"
    if isinstance(kind, Members):
        return "an object"
    if isinstance(kind, list):
        return "an array"
    if isinstance(kind, str):
        return "text"
    return "null" if kind is None else "a number"


def name_text(name: str) -> str:
    """Returns a name as it is shown in a message: in one line of printable characters, not too long, and quoted."""
    short = name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}…"
    return f"'{short}'" if short.isprintable() else ascii(short)


class _Objects:
    """Makes the objects of one document, with tuples of names that are kept once."""

    def __init__(self, *, escaped: bool) -> None:
        self._escaped = escaped
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def members(self, pairs: list[tuple[str, Any]]) -> Members:
        if not pairs:
            return _NO_MEMBERS
        names, values = zip(*pairs, strict=True)
        known = self._known.get(names)
        if known is None:
            self._check(names)
            known = self._known[names] = names
        return Members(known, values)

    def _check(self, names: tuple[str, ...]) -> None:
        if len(set(names)) < len(names):
            twice = next(name for place, name in enumerate(names) if name in names[:place])
            raise InvalidRequest(f"{name_text(twice)} is there twice in one object")
        if self._escaped and any("\0" in name or not _is_text(name) for name in names):
            raise InvalidRequest("a name in the body holds a NUL character or half of a surrogate pair")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(digits: str) -> int | float:
    """Returns a whole number; -0 as the double that it is."""
    return -0.0 if digits == "-0" else int(digits)


def _real(digits: str) -> float:
    return float(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"the body holds {name}, which JSON does not have: write null where a value is missing")


def _check_shape(raw: bytes, shape: Shape) -> None:
    """Checks how much a document holds besides its texts, without building anything of it."""
    bare, at = bytearray(), 0
    for text in _TEXT.finditer(raw):
        bare += raw[at : text.start()]
        at = text.end()
    if (error := _is_too_much(bytes(bare) + raw[at:], shape)) is not None:
        raise error


def _is_too_much(raw: bytes, shape: Shape) -> InvalidRequest | None:
    """Returns the error of a document that holds too much, if what is in its texts counts as well; else None."""
    brackets = raw.translate(None, _NOT_BRACKETS)
    for what, count, most in (
        ("arrays", brackets.count(b"["), shape.arrays),
        ("objects", brackets.count(b"{"), shape.objects),
        ("values", raw.count(b","), shape.values),
    ):
        if count > most:
            return InvalidRequest(f"the body holds more than {most} {what}", limit=f"{most} {what}")
    for _ in range(shape.depth):
        for pair in _PAIRS:
            brackets = brackets.replace(pair, b"")
        if not brackets:
            return None
    return _too_deep(shape.depth) if brackets else None


def _too_deep(depth: int) -> InvalidRequest:
    return InvalidRequest(
        f"the body is nested deeper than {depth} levels, or its brackets don't match", limit=f"{depth} levels"
    )
