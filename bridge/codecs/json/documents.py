"""Reads JSON strictly: bounded before anything is built, and nothing taken that reads two ways.

The standard library's parser is told to refuse what RFC 8259 does not have (NaN, Infinity) or leaves open (a name that
is there twice). An object becomes a `Members`: of a thousand rows with the same names, the names are kept once.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

from bridge.codecs.json.runs import RUN, Hooks, Shape, read_in_runs, too_deep, too_many_of
from bridge.errors import InvalidRequest

__all__ = ["Document", "Members", "first_twice", "name_text", "read_document", "said"]

# A text, or what begins as one and has no end: without that, and with backtracking, it would be looked for again and
# again from every quotation mark in it.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_PAIRS = (b"[]", b"{}")
_MOST_SHOWN = 80  # characters of a name in a message
_ESCAPE = b"\\u"


class Members(NamedTuple):
    """An object of JSON: its names, each there once, and their values."""

    names: tuple[str, ...]
    values: tuple[Any, ...]


_NO_MEMBERS = Members((), ())


class Document(NamedTuple):
    """A parsed document.

    Attributes:
        value: what it holds.
        escaped: whether texts may hold characters that only an escape can write: NUL and halves of surrogate pairs.
    """

    value: Any
    escaped: bool


def read_document(
    raw: bytes, shape: Shape, make_object: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Document:
    """Parses a JSON document.

    Args:
        raw: its bytes, in UTF-8.
        shape: how much it may hold.
        make_object: makes an object from its names and values, and refuses a name that is there twice; None makes
            `Members`.

    Raises:
        InvalidRequest: it is not JSON, holds more than it may, or a name is there twice in one object.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise InvalidRequest("the body begins with a byte order mark, which JSON does not have")
    escaped = _ESCAPE in raw
    whole = _whole if "-0" in text else None
    hooks = Hooks(make_object or _Objects(escaped=escaped).members, whole, _refuse_constant)
    try:
        return Document(_read(text, raw, shape, hooks), escaped)
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except ValueError:  # Python takes no longer whole numbers
        raise InvalidRequest("the body holds a whole number of more than 4300 digits") from None


def _read(text: str, raw: bytes, shape: Shape, hooks: Hooks) -> Any:
    if len(text) > RUN:
        return read_in_runs(text, shape, hooks)
    _check_shape(raw, shape)
    return hooks.decoder().decode(text)


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


def first_twice(names: Iterable[str]) -> str:
    """Returns the first name that was there before; empty if none was. An object may have a hundred thousand names."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


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
            raise InvalidRequest(f"{name_text(first_twice(names))} is there twice in one object")
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


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"the body holds {name}, which JSON does not have: write null where a value is missing")


def _check_shape(raw: bytes, shape: Shape) -> None:
    """Checks how much a short document holds, without building anything of it."""
    bare = _TEXT.sub(b"", raw)
    brackets = bare.translate(None, _NOT_BRACKETS)
    for what, count, most in (
        ("arrays", brackets.count(b"["), shape.arrays),
        ("objects", brackets.count(b"{"), shape.objects),
        ("values", bare.count(b","), shape.values),
    ):
        if count > most:
            raise too_many_of(what, most)
    for _ in range(shape.depth):
        for pair in _PAIRS:
            brackets = brackets.replace(pair, b"")
        if not brackets:
            return
    if brackets:
        raise too_deep(shape.depth)
