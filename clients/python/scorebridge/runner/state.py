"""What a call left behind that the next call of the same process would meet.

Compared after each call, in microseconds: which objects the global names of the bundle's modules stand for; what the
small ones of them hold (lists, dicts, sets, arrays, random generators, and of what the bundle itself defines the
defaults, closures and attributes of functions, classes and objects); the number of Python's threads; and whether
processes were started. What is deep inside a model, or in a library's own memory, is not seen, and neither are the
threads that a library has for itself. What can be put back, `scoring` puts back before each call.
"""

from __future__ import annotations

import os
import sys
import types
from typing import TYPE_CHECKING

from .contents import Contents, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["State"]


class State:
    """The state of a process that has loaded a bundle and has scored nothing yet.

    Args:
        modules: the modules of the bundle, Pred.py and those beside it.
    """

    def __init__(self, modules: Iterable[types.ModuleType]) -> None:
        self._spaces = [module.__dict__ for module in modules]
        for space in self._spaces:
            space.setdefault("__warningregistry__", {})  # Python makes it at the first warning that a module gives
        self._names = [dict(space) for space in self._spaces]
        own = frozenset(str(space.get("__name__")) for space in self._spaces)
        named = [pair for names in self._names for pair in names.items() if not pair[0].startswith("__")]
        self._contents = Contents((name, part) for name, value in named for part in parts_of(value, own))
        self._threads = _threads()

    def change(self) -> str:
        """Returns what is other than at the start, in words; empty if nothing is."""
        for space, names in zip(self._spaces, self._names):
            if len(space) != len(names):
                return "predict made or removed a global variable"
            for name, value in names.items():
                if space.get(name, self) is not value:
                    return f"predict changed the global variable '{name}'"
        changed = self._contents.changed()
        if changed:
            return f"predict changed what is in the global variable '{changed}'"
        if _threads() > self._threads:
            return "predict left a thread behind"
        return "predict left a process behind" if _has_children() else ""


def _threads() -> int:
    return len(sys._current_frames())  # noqa: SLF001 - the one count of threads that were started in whatever way


def _has_children() -> bool:
    """Whether a process that was started here still runs; lets go of those that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
