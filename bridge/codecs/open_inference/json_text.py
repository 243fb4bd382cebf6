"""Reads JSON strictly and in small steps: what other readers would take in one way or another is refused.

The standard library reads an array of 4 MiB in one step of up to 0.3 s, in which no other thread gets on. So long
arrays are cut here into runs, which it reads one after the other.
"""

import json
import re
from typing import Any, Never

from bridge.codecs.scorebridge_v1.bounds import Bounds, too_many
from bridge.errors import InvalidRequest
from bridge.texts import brief

__all__ = ["read_object"]

_RUN = 16 << 10  # characters; read in about half a millisecond
_TEXTS = 4096
_MOST_ROW_ARRAYS = 250_000  # for more rows, data that is not nested: Python's own collector would go over so many lists
_MOST_DEPTH = 8  # a request has six levels
_OBJECTS_A_TENSOR = 2  # the tensor and its parameters
_ARRAYS_A_TENSOR = 3  # its shape, its data, and one to spare
_FIELDS_A_TENSOR = 16  # its own and those of its parameters
_SPARE = 64  # objects, arrays or values beside the tensors
_VALUES_A_ROW = 2  # what has more values than twice its rows is a matrix that should be sent as binary data
_MOST_SHOWN = 100  # characters of a caller's name
_BLANKS = re.compile(r"[ \t\n\r]*")
_SIGN = re.compile(r'["\[\]{}]')


def read_object(raw: bytes, bounds: Bounds) -> dict[str, Any]:
    """Returns the object that a JSON text holds; its numbers are int or float, as they are written, -0 a float.

    Args:
        raw: the text's bytes, in UTF-8.
        bounds: how many rows and columns it may have; its objects, arrays and values are counted as they are met.

    Raises:
        InvalidRequest: the bytes are not the JSON text of an object, name a field twice, hold NaN or Infinity, are
            nested too deeply, or hold more than allowed.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not UTF-8") from None
    reading = _Reading(text, bounds)
    try:
        return reading.document()
    except (json.JSONDecodeError, IndexError, StopIteration):
        raise InvalidRequest(f"the body is not JSON behind character {reading.at}") from None
    except ValueError:  # the limit that Python sets for the digits of a whole number
        raise InvalidRequest("the body has a whole number with too many digits") from None


class _Reading:
    """The reading of one text; `at` is the place up to which it was read."""

    def __init__(self, text: str, bounds: Bounds) -> None:
        self._text = text
        self._depth = 0
        self._left = {
            "objects": _OBJECTS_A_TENSOR * bounds.columns + _SPARE,
            "arrays": min(bounds.rows, _MOST_ROW_ARRAYS) + _ARRAYS_A_TENSOR * bounds.columns + _SPARE,
            "values": _VALUES_A_ROW * bounds.rows + _FIELDS_A_TENSOR * bounds.columns + _SPARE,
        }
        self._most = dict(self._left)
        decoder: Any = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_whole if "-0" in text else None)
        self._scan = decoder.scan_once
        self._decode = decoder.decode
        self.at = 0

    def document(self) -> dict[str, Any]:
        """Returns the object that is all of the text."""
        self._skip()
        if self._text[self.at : self.at + 1] != "{":
            self._value()  # what is not JSON at all is told so
            raise InvalidRequest("the body must be a JSON object")
        found: dict[str, Any] = self._value()
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
        if self._depth > _MOST_DEPTH:
            raise InvalidRequest("the body is nested too deeply", limit=f"{_MOST_DEPTH} levels")
        self._count("objects" if sign == "{" else "arrays", 1)
        self.at += 1
        value = self._object() if sign == "{" else self._array()
        self._depth -= 1
        return value

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._skip()
        if self._took("}"):
            return found
        while True:
            if self._text[self.at] != '"':
                raise IndexError
            name, self.at = self._scan(self._text, self.at)
            self._skip()
            self._take(":")
            if name in found:
                raise InvalidRequest(f"the field '{brief(name, _MOST_SHOWN)}' is there twice in one object")
            self._count("values", 1)
            found[name] = self._value()
            self._skip()
            if self._took("}"):
                return found
            self._take(",")

    def _array(self) -> list[Any]:
        end = self._text.find("]", self.at, self.at + _RUN)
        if end >= 0 and _SIGN.search(self._text, self.at, end) is None:  # as the rows of a matrix are
            self._count("values", self._text.count(",", self.at, end) + 1)
            short: list[Any] = self._decode(self._text[self.at - 1 : end + 1])
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
        text, at, behind = self._text, self.at, self.at + _RUN
        sign = _SIGN.search(text, at, behind)
        last = sign is not None and sign[0] == "]"
        end = behind if sign is None else sign.start()
        if not last:
            end = text.rfind(",", at, end)
        if end <= at:
            raise IndexError
        self._count("values", text.count(",", at, end) + 1)
        run = text[at:end]
        if run.isspace():
            raise IndexError
        found += self._decode(f"[{run}]")
        self.at = end + 1
        if not last:
            self._skip()
        return last

    def _count(self, what: str, count: int) -> None:
        self._left[what] -= count
        if self._left[what] < 0:
            raise too_many(what, self._most[what])

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


def _whole(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)


def _refuse_constant(_: str) -> Never:
    raise InvalidRequest("JSON has no NaN and no Infinity; a missing number is null")
