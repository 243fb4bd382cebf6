"""Reads the files of calls that are to be scored again; `bridge.reconcile.call_files` writes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["CallReader", "Column", "Declared"]

_DOUBLE, _BOOL, _LONG = 1, 3, 5  # the types of the files; the rest is text
_MISSING = -(2**31)  # among truth values


class Declared(NamedTuple):
    """A line of [features] in model.toml: the type, "ordered" for a factor with a rank, and the levels of a factor."""

    type: str
    levels: list[str]


class Column(NamedTuple):
    """A column as it was sent, an entry a row: its values, and which of them are missing."""

    name: str
    values: Any
    missing: Any


class CallReader:
    """Reads numbers, texts and columns from a file.

    Attributes:
        at: the byte that comes next.
    """

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._raw = file.read()
        self.at = 0

    def raw(self, count: int) -> bytes:
        """Returns the next bytes."""
        self.at += count
        return self._raw[self.at - count : self.at]

    def numbers(self, count: int, kind: str = "<i4") -> Any:
        """Returns the next numbers, of 32 bits unless said otherwise; the array is a copy."""
        return np.frombuffer(self.raw(np.dtype(kind).itemsize * count), kind).copy()

    def number(self) -> int:
        """Returns the next number of 32 bits."""
        return int(self.numbers(1)[0])

    def texts(self, count: int) -> list[Any]:
        """Returns the next texts; None for one that is missing."""
        lengths = self.numbers(count).tolist()
        return [None if length < 0 else self.raw(length).decode() for length in lengths]

    def text(self) -> str:
        """Returns the next text."""
        return str(self.texts(1)[0])

    def declared(self) -> dict[str, Declared]:
        """Returns the features that model.toml declares, by name, in their order."""
        found = {}
        for _ in range(self.number()):
            name, kind = self.text(), self.text()
            found[name] = Declared(kind, self.texts(self.number()))
            self.text()  # the rule for unknown levels, which the gateway's side has applied
        return found

    def column(self, rows: int) -> Column:
        """Returns the next column."""
        name, code = self.text(), self.number()
        if code == _DOUBLE:
            doubles = self.numbers(rows, "<f8")
            return Column(name, doubles, np.isnan(doubles))
        if code == _BOOL:
            flags = self.numbers(rows)
            return Column(name, flags == 1, flags == _MISSING)
        if code == _LONG:
            return Column(name, self.numbers(rows, "<i8"), self.numbers(rows, "?"))
        texts = np.empty(rows, object)
        texts[:] = self.texts(rows)
        return Column(name, texts, np.array([text is None for text in texts], np.bool_))

    def call(self) -> tuple[int, list[Column]]:
        """Returns the number of rows and the columns of the next call."""
        rows, count = self.numbers(2).tolist()
        return rows, [self.column(rows) for _ in range(count)]
