"""Reads long JSON texts in small steps.

The standard library reads an array of 4 MiB in one step of up to 0.3 s, in which no other thread gets on. So long
texts are cut here into runs, which it reads one after the other.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bridge.codecs.json.numbers import read_numbers
from bridge.errors import InvalidRequest

__all__ = ["RUN", "Hooks", "Shape", "read_in_runs", "too_deep", "too_many_of"]

RUN = 16 << 10  # characters; read in about half a millisecond
_TEXTS = 4096
_BLANKS = re.compile(r"[ \t\n\r]*")
_SIGNS = '"[]{}'
_NESTED = re.compile(r"[\[{]")


@dataclass(frozen=True, slots=True)
class Shape:
    """How much a document may hold.

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


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the standard library is told to do with parts of a document.

    Attributes:
        make_object: makes an object from its names and values, and refuses a name that is there twice.
        read_whole: reads a whole number; None for the library's own way.
        refuse: raises the error for NaN, Infinity and -Infinity, given that word.
    """

    make_object: Callable[[list[tuple[str, Any]]], Any]
    read_whole: Callable[[str], Any] | None
    refuse: Callable[[str], Any]

    def decoder(self) -> json.JSONDecoder:
        """Returns a decoder of the standard library that does so."""
        return json.JSONDecoder(
            object_pairs_hook=self.make_object, parse_int=self.read_whole, parse_constant=self.refuse
        )


def read_in_runs(text: str, shape: Shape, hooks: Hooks) -> Any:
    """Returns what a JSON text holds; its arrays, objects and values are counted as they are met.

    Raises:
        InvalidRequest: it is not JSON or holds more than it may; or a hook refuses it.
        ValueError: it holds a whole number with more digits than Python reads.
    """
    reading = _Reading(text, shape, hooks)
    try:
        return reading.document()
    except (json.JSONDecodeError, IndexError, StopIteration):
        before = text[: reading.at]
        line, column = before.count("\n") + 1, reading.at - before.rfind("\n")
        raise InvalidRequest(f"the body is not JSON (behind line {line}, column {column})") from None


def too_many_of(what: str, most: int) -> InvalidRequest:
    """Returns the error for a document that holds more than it may of something, such as "arrays"."""
    return InvalidRequest(f"the body holds more than {most} {what}", limit=f"{most} {what}")


def too_deep(depth: int) -> InvalidRequest:
    """Returns the error for a document that is nested deeper than it may be."""
    return InvalidRequest(
        f"the body is nested deeper than {depth} levels, or its brackets don't match", limit=f"{depth} levels"
    )


class _Reading:
    """The reading of one text; `at` is the place up to which it was read."""

    def __init__(self, text: str, shape: Shape, hooks: Hooks) -> None:
        self._text = text
        self._depth = 0
        self._shape = shape
        self._make_object = hooks.make_object
        self._most = asdict(shape)
        self._left = dict(self._most)
        decoder: Any = hooks.decoder()
        self._scan = decoder.scan_once
        self._decode = decoder.decode
        self.at = 0

    def document(self) -> Any:
        """Returns what all of the text holds."""
        self._skip()
        found = self._value()
        self._skip()
        if self.at != len(self._text):
            raise IndexError
        return found

    def _value(self) -> Any:
        sign = self._text[self.at]
        if sign not in "{[":
            value, self.at = self._scan(self._text, self.at)
            return value
        self._depth += 1
        if self._depth > self._shape.depth:
            raise too_deep(self._shape.depth)
        self._count("objects" if sign == "{" else "arrays", 1)
        self.at += 1
        value = self._object() if sign == "{" else self._array()
        self._depth -= 1
        return value

    def _object(self) -> Any:
        if (short := self._short_object()) is not None:
            return short
        pairs: list[tuple[str, Any]] = []
        self._skip()
        if self._took("}"):
            return self._make_object(pairs)
        while True:
            if self._text[self.at] != '"':
                raise IndexError
            name, self.at = self._scan(self._text, self.at)
            self._skip()
            self._take(":")
            self._count("values", 1)
            pairs.append((name, self._value()))
            self._skip()
            if self._took("}"):
                return self._make_object(pairs)
            self._take(",")

    def _short_object(self) -> Any:
        """Reads an object with nothing nested in it, as rows are, in one step; returns None where that can't be."""
        begin = self.at
        end = self._text.find("}", begin, begin + RUN)
        if end < 0 or _NESTED.search(self._text, begin, end) is not None:
            return None
        try:
            found = self._decode(self._text[begin - 1 : end + 1])
        except json.JSONDecodeError:  # such as for a brace in a text
            return None
        self._count("values", self._text.count(":", begin, end))
        self.at = end + 1
        return found

    def _array(self) -> list[Any]:
        end = self._text.find("]", self.at, self.at + RUN)
        if end >= 0 and self._sign(self.at, end) == end:  # as the rows of a matrix are
            self._count("values", self._text.count(",", self.at, end) + 1)
            short = self._numbers(self._text[self.at - 1 : end + 1])
            self.at = end + 1
            return short
        found: list[Any] = []
        self._skip()
        if self._took("]"):
            return found
        while True:
            sign = self._text[self.at]
            if sign == '"':
                self._texts(found)
            elif sign in "[{":
                found.append(self._value())
            elif self._scalars(found):
                return found
            else:
                continue
            self._skip()
            if self._took("]"):
                return found
            self._take(",")

    def _texts(self, found: list[Any]) -> None:
        """Adds texts that follow one another to an array, as many as are counted at once; ends behind the last one."""
        text, scan, at, before = self._text, self._scan, self.at, len(found)
        while True:
            value, at = scan(text, at)
            found.append(value)
            if len(found) - before == _TEXTS:
                break
            if text.startswith(',"', at):
                at += 1
            elif text.startswith(', "', at):
                at += 2
            else:
                break
        self.at = at
        self._count("values", len(found) - before)

    def _scalars(self, found: list[Any]) -> bool:
        """Adds a run of numbers, truth values and nulls to an array; returns whether that was its end."""
        text, at, behind = self._text, self.at, self.at + RUN
        end = self._sign(at, behind)
        last = end < behind and text.startswith("]", end)
        if not last:
            end = text.rfind(",", at, end)
        if end <= at:
            raise IndexError
        self._count("values", text.count(",", at, end) + 1)
        run = text[at:end]
        if run.isspace():
            raise IndexError
        found += self._numbers(f"[{run}]")
        self.at = end + 1
        if not last:
            self._skip()
        return last

    def _sign(self, first: int, behind: int) -> int:
        """Returns the place of the first quotation mark or bracket; `behind` if there is none before it.

        Each is looked for by itself, which takes a tenth of the time that a regular expression takes.
        """
        for sign in _SIGNS:
            found = self._text.find(sign, first, behind)
            behind = behind if found < 0 else found
        return behind

    def _numbers(self, array: str) -> list[Any]:
        quick = read_numbers(array)
        if quick is None:
            slow: list[Any] = self._decode(array)
            return slow
        return quick

    def _count(self, what: str, count: int) -> None:
        self._left[what] -= count
        if self._left[what] < 0:
            raise too_many_of(what, self._most[what])

    def _skip(self) -> None:
        """Goes on behind blanks."""
        blanks = _BLANKS.match(self._text, self.at)
        self.at = self.at if blanks is None else blanks.end()

    def _took(self, sign: str) -> bool:
        """Whether the text goes on with a sign, which is then read."""
        if self._text[self.at] != sign:
            return False
        self.at += 1
        return True

    def _take(self, sign: str) -> None:
        """Reads a sign with which the text must go on, and the blanks behind it."""
        if not self._took(sign):
            raise IndexError
        self._skip()
