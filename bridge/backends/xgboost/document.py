"""Reads an xgboost model file as a UBJSON or JSON document, without xgboost.

xgboost itself does not tell which version saved a file, and tells only those categories that its own version can print.
UBJSON as xgboost writes it: https://ubjson.org, keys with a length of 64 bits, arrays of one type big-endian.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from bridge.files import open_regular

__all__ = ["DocumentDamaged", "boosted_trees", "found", "read_document"]

_MOST_DEPTH = 64  # xgboost's own documents have a dozen
_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "M": ">u8", "d": ">f4", "D": ">f8"}
_WHOLE = "iUIlLM"
_CONSTANTS = {"T": True, "F": False, "Z": None}


class DocumentDamaged(ValueError):
    """The file is no whole JSON or UBJSON document."""


def read_document(path: Path) -> dict[str, Any]:
    """Returns the document in a model file. Typed arrays of UBJSON become numpy arrays, all others lists.

    Raises:
        DocumentDamaged: the file is neither JSON nor UBJSON, or is not whole.
        BundleError: the path is no regular file.
        OSError: the file can't be read.
    """
    with open_regular(path) as file:
        raw = file.read()
    try:
        document = json.loads(raw) if path.suffix == ".json" else _Reader(raw).value(_MOST_DEPTH)
    except (ValueError, RecursionError, IndexError, struct.error) as error:
        raise DocumentDamaged(f"{path.name} can't be read as a document") from error
    if not isinstance(document, dict):
        raise DocumentDamaged(f"{path.name} holds no model")
    return document


def found(document: Any, *keys: str) -> Any:
    """Returns the value under nested keys of a document; None if one of the keys is missing."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def boosted_trees(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the part of the document that holds the trees, of a "gbtree" or "dart" booster; empty for "gblinear"."""
    booster = found(document, "learner", "gradient_booster") or {}
    model = found(booster, "gbtree", "model") or found(booster, "model") or {}
    return model if "trees" in model else {}


class _Reader:
    """Reads the values of a UBJSON document one after the other.

    Each count is checked against the length of the file before memory is taken for it.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def value(self, depth: int, marker: str = "") -> Any:
        if not depth:
            raise DocumentDamaged("the document is nested too deeply")
        marker = marker or self._marker()
        if marker in _NUMBERS:
            return self._numbers(marker, 1)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == "S":
            return self._text()
        if marker == "C":
            return self._taken(1).decode("latin-1")
        if marker == "[":
            return self._array(depth)
        if marker == "{":
            return self._object(depth)
        raise DocumentDamaged("the document holds a value of a type that UBJSON does not have")

    def _array(self, depth: int) -> Any:
        kind = self._marker() if self._next("$") else ""
        if not self._next("#"):
            values = []
            while not self._next("]"):
                values.append(self.value(depth - 1))
            return values
        count = self._count()
        if kind in _NUMBERS:
            return self._numbers(kind, count)
        if count > len(self._raw) - self._at:
            raise DocumentDamaged("the document holds an array that is longer than the file")
        return [self.value(depth - 1, kind) for _ in range(count)]

    def _object(self, depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        while not self._next("}"):
            name = self._text()
            fields[name] = self.value(depth - 1)
        return fields

    def _numbers(self, kind: str, count: int) -> Any:
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self._taken(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))

    def _text(self) -> str:
        return self._taken(self._count()).decode()

    def _count(self) -> int:
        marker = self._marker()
        count = int(self._numbers(marker, 1)[0]) if marker in _WHOLE else -1
        if not 0 <= count <= len(self._raw):
            raise DocumentDamaged("the document holds a length that is no whole number or exceeds the file")
        return count

    def _marker(self) -> str:
        while (marker := chr(self._taken(1)[0])) == "N":
            pass  # N is UBJSON's filler, without a meaning
        return marker

    def _next(self, marker: str) -> bool:
        is_next = self._raw[self._at] == ord(marker)
        self._at += is_next
        return is_next

    def _taken(self, size: int) -> bytes:
        part = self._raw[self._at : self._at + size]
        if len(part) != size:
            raise DocumentDamaged("the file ends too early")
        self._at += size
        return part
