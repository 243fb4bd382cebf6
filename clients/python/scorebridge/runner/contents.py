"""What small objects hold, written down as bytes, so that a change shows when they are written again."""

from __future__ import annotations

import collections
import pickle
import random
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Contents", "parts_of"]

_SMALL_BYTES = 8192  # which a random generator of numpy takes
_MOST_BYTES = 64 << 10  # of all together
_MOST = 256  # objects
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_CONTAINERS = (list, dict, set, collections.deque, bytearray, np.ndarray, *_GENERATORS)
_PLAIN_MODULES = frozenset({"collections", "numpy", "random", "_random"})
_COLLECTIONS = (collections.deque, collections.OrderedDict, collections.defaultdict, collections.Counter)
_PLAIN = (complex, range, slice, np.generic, np.dtype, random.Random, *_COLLECTIONS)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)


class Contents:
    """What objects held at first.

    Numbers, texts and plain containers are written down, to the last in a container within another. Of any other
    object, and of a large array, it is written which one it is.

    Args:
        named: objects by names; of those that hold little, the first 256 are taken, up to 64 KiB together.
    """

    def __init__(self, named: Iterable[tuple[str, Any]]) -> None:
        self._alive: list[Any] = []  # what is written as itself: else another could be where one of them was
        self._named: list[tuple[str, Any, bytes]] = []
        left = _MOST_BYTES
        for name, value in named:
            written = _written(value, min(left, _SMALL_BYTES), self._alive) if len(self._named) < _MOST else None
            if written is not None:
                left -= len(written)
                self._named.append((name, value, written))
        self._values = [value for _, value, _ in self._named]
        self._all = self._written()

    def changed(self) -> str:
        """Returns the name of an object that holds something else now; empty if none does."""
        if not self._named or self._written() == self._all:
            return ""
        names = (name for name, value, written in self._named if _written(value, _SMALL_BYTES, []) != written)
        return next(names, self._named[0][0])

    def _written(self) -> bytes | None:
        return _written(self._values, _MOST_BYTES + _SMALL_BYTES, [])


def parts_of(value: Any, own: frozenset[str]) -> Iterator[Any]:
    """Yields what holds the state of a global variable's object.

    Args:
        value: the object.
        own: the names of the bundle's modules; of what they define, attributes are state.
    """
    kind = type(value)
    if issubclass(kind, _CONTAINERS):
        yield value
    elif kind is types.MethodType:
        yield from parts_of(value.__self__, own)
    elif kind is types.FunctionType:
        if str(value.__module__) in own:
            yield from filter(None, (value.__defaults__, value.__kwdefaults__, value.__closure__))
            yield value.__dict__
    elif issubclass(kind, type):
        if value.__module__ in own:
            yield value.__dict__
    elif str(kind.__module__) in own:
        with suppress(Exception):  # it has no attributes; or it is asked for them in a way of its own, and raises
            yield object.__getattribute__(value, "__dict__")


def _written(value: Any, most: int, alive: list[Any]) -> bytes | None:
    """Returns what an object holds; None if that takes too many bytes, or can't be told."""
    file = _Bounded(most)
    try:
        _Writer(file, alive).dump(value)
    except Exception:  # noqa: BLE001 - objects may raise whatever they like; then they are not compared
        return None
    return b"".join(file.written)


class _Bounded:
    """A file that takes so many bytes and no more."""

    def __init__(self, most: int) -> None:
        self.written: list[bytes] = []
        self._left = most

    def write(self, raw: Any) -> None:
        self._left -= len(raw)
        if self._left < 0:
            raise OverflowError
        self.written.append(bytes(raw))


class _Writer(pickle.Pickler):
    """Pickles numbers, texts and plain containers; of all else, which object it is."""

    def __init__(self, file: _Bounded, alive: list[Any]) -> None:
        super().__init__(file, 5)
        self._alive = alive

    def reducer_override(self, obj: Any) -> Any:
        """Returns how an object is written that is none of Python's own texts, numbers and containers."""
        kind = type(obj)
        if kind is types.CellType:
            return list, ([obj.cell_contents],)
        if kind is types.MappingProxyType:
            return dict, (dict(obj),)
        if _is_plain(obj, kind):
            return NotImplemented
        for base in (dict, list, set):
            if issubclass(kind, base):
                return base, (base.copy(obj),)
        self._alive.append(obj)
        return int, (id(obj),)


def _is_plain(value: Any, kind: type) -> bool:
    if issubclass(kind, np.ndarray):
        return kind is np.ndarray and value.nbytes <= _SMALL_BYTES
    named = issubclass(kind, type) or kind in _FUNCTIONS
    module = str(value.__module__ if named else kind.__module__)
    if named:  # by which what is plain is made again
        return module == "builtins" or module.partition(".")[0] in _PLAIN_MODULES
    return issubclass(kind, _PLAIN) or module.startswith("numpy.random.")
