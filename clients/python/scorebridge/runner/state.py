"""What a call left behind that the next call of the same process would meet.

Compared after each call, in microseconds: which objects the global names of the bundle's modules stand for, what is in
the small lists, dicts, sets, arrays and random generators among these objects, the number of threads, and whether
processes were started. What is deep inside a model, or in a library's own memory, is not seen.
"""

from __future__ import annotations

import os
import pickle
import types
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["State"]

_SMALL_BYTES = 4096
_MOST_SMALL = 32  # objects whose contents are compared
_CONTAINERS = (list, dict, set, bytearray, np.ndarray, np.random.Generator, np.random.RandomState)


class State:
    """The state of a process that has loaded a bundle and has scored nothing yet.

    Args:
        modules: the modules of the bundle, Pred.py and those beside it.
    """

    def __init__(self, modules: Iterable[types.ModuleType]) -> None:
        self._spaces = [module.__dict__ for module in modules]
        self._names = [dict(space) for space in self._spaces]
        self._small = list(self._contents())
        self._threads = _threads()

    def change(self) -> str:
        """Returns what is other than at the start, in words; empty if nothing is."""
        for space, names in zip(self._spaces, self._names):
            if len(space) != len(names):
                return "predict made or removed a global variable"
            for name, value in names.items():
                if space.get(name, self) is not value:
                    return f"predict changed the global variable '{name}'"
        for name, value, before in self._small:
            if _content(value) != before:
                return f"predict changed what is in the global variable '{name}'"
        if _threads() > self._threads:
            return "predict left a thread behind"
        return "predict left a process behind" if _has_children() else ""

    def _contents(self) -> Iterable[tuple[str, Any, bytes]]:
        found = 0
        for names in self._names:
            for name, value in names.items():
                if found < _MOST_SMALL and isinstance(value, _CONTAINERS) and not name.startswith("__"):
                    content = _content(value)
                    if content is not None:
                        found += 1
                        yield name, value, content


def _content(value: Any) -> bytes | None:
    """Returns what an object holds as bytes; None if it is too large, or can't be told."""
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.nbytes <= _SMALL_BYTES and value.dtype.kind != "O" else None
    if isinstance(value, (list, dict, set)) and len(value) * 8 > _SMALL_BYTES:
        return None
    try:
        raw = pickle.dumps(value, 5)
    except Exception:  # noqa: BLE001 - what can't be pickled is not compared
        return None
    return raw if len(raw) <= _SMALL_BYTES else None


def _threads() -> int:
    return os.stat("/proc/self/task").st_nlink


def _has_children() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0) or _has_children()
    except ChildProcessError:
        return False
