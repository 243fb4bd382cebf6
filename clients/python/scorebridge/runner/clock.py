"""Moves the clock while a bundle is tried, to find models whose scores depend on the day.

Python's own functions are moved, also where a module has imported them by name: those of `time` that tell the time of
day, `datetime.now`, `date.today` and what is built on them; and pandas' `Timestamp.now`. C code that asks the system is
not affected, such as `numpy.datetime64("now")`. A process whose clock was moved serves no other call.
"""

from __future__ import annotations

import copyreg
import datetime as dt
import sys
import time
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["move_clock"]


def move_clock(days: int) -> None:
    """Sets the clock of this process forward, also where `datetime` and `date` were imported by name."""
    later: dict[Any, Any] = {**_later_functions(days * 86400), dt.date: _later_date(), dt.datetime: _later_datetime()}
    # By their numbers: other objects of a module may raise where they are compared, or asked for a hash.
    by_number = {id(before): moved for before, moved in later.items()}
    for module in list(sys.modules.values()):
        if not isinstance(module, types.ModuleType) or vars(module) is globals():
            continue
        names = vars(module)
        for name, value in list(names.items()):
            if id(value) in by_number:
                names[name] = by_number[id(value)]
    _move_pandas()


def _later_functions(seconds: int) -> dict[Callable[..., Any], Callable[..., Any]]:
    """Returns the functions of `time`, each with its moved one."""
    system, system_ns, local, universal, form = time.time, time.time_ns, time.localtime, time.gmtime, time.strftime

    def when(at: float | None) -> float:
        return system() + seconds if at is None else at

    return {
        system: lambda: system() + seconds,
        system_ns: lambda: system_ns() + seconds * 10**9,
        local: lambda at=None: local(when(at)),
        universal: lambda at=None: universal(when(at)),
        form: lambda pattern, at=None: form(pattern, local(when(None)) if at is None else at),
    }


class _AsBefore(type):
    """Makes what was made before the clock was moved an instance of the moved class, too."""

    def __instancecheck__(cls, value: object) -> bool:
        return cls.__subclasscheck__(type(value))

    def __subclasscheck__(cls, kind: type) -> bool:
        before = vars(cls).get("before")
        return type.__subclasscheck__(cls, kind) if before is None else issubclass(kind, before)


def _named(moved: Any, before: type) -> Any:
    """Gives a moved class the name of that before it, and returns it; objects of either are pickled by that name."""
    moved.before, moved.__module__, moved.__name__ = before, "datetime", before.__name__
    moved.__qualname__ = before.__qualname__
    name = before.__name__
    copyreg.pickle(before, lambda value: (getattr(dt, name), value.__reduce__()[1]))
    return moved


# What is built on the moved time is moved once; the classes' own methods may ask the system, or the moved time.
def _later_date() -> Any:
    before = dt.date

    class Later(before, metaclass=_AsBefore):  # type: ignore[misc, valid-type] # the class is a variable
        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(time.time())

    return _named(Later, before)


def _later_datetime() -> Any:
    before = dt.datetime

    class Later(before, metaclass=_AsBefore):  # type: ignore[misc, valid-type] # the class is a variable
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(time.time())

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(time.time(), dt.timezone.utc).replace(tzinfo=None)

    return _named(Later, before)


def _move_pandas() -> None:
    """Moves `Timestamp.now`, which asks the system by itself; not of a pandas that is imported later."""
    stamp = getattr(sys.modules.get("pandas"), "Timestamp", None)
    if stamp is None:
        return

    def now(_: Any, tz: Any = None) -> Any:
        if tz is None:
            return stamp(dt.datetime.now())  # noqa: DTZ005 - a time without a zone was asked for
        return stamp(dt.datetime.now(dt.timezone.utc)).tz_convert(tz)

    stamp.now = stamp.today = classmethod(now)
    stamp.utcnow = classmethod(lambda kind: kind.now("UTC"))
