"""Moves the clock while a bundle is tried, to find models whose scores depend on the day.

Python's own functions are moved: `time.time`, `datetime.now`, `date.today` and what is built on them, as pandas'
`Timestamp.now` is. C code that asks the system is not affected. A process whose clock was moved serves no other call.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["move_clock"]


def move_clock(days: int) -> None:
    """Sets the clock of this process forward, also where `datetime` and `date` were imported by name."""
    shift, seconds = dt.timedelta(days=days), days * 86400
    system, date, moment = time.time, dt.date, dt.datetime
    later = {
        time.time: lambda: system() + seconds,
        date: _later_date(date, system, shift),
        moment: _later_datetime(moment, shift),
    }
    for module in list(sys.modules.values()):
        names: dict[str, Any] = getattr(module, "__dict__", {})
        if getattr(module, "__name__", "") == __name__:
            continue
        for name, value in list(names.items()):
            try:
                moved = later.get(value)
            except TypeError:  # it can't be hashed, so it is none of these
                continue
            if moved is not None:
                names[name] = moved


class _AsBefore(type):
    """Makes what was made before the clock was moved an instance of the moved class, too."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.__mro__[1])


def _later_date(date: type[dt.date], system: Callable[[], float], shift: dt.timedelta) -> Any:
    class Later(date, metaclass=_AsBefore):  # type: ignore[misc, valid-type] # the class is a variable
        @classmethod
        def today(cls) -> dt.date:
            return date.fromtimestamp(system()) + shift

    return Later


def _later_datetime(moment: type[dt.datetime], shift: dt.timedelta) -> Any:
    class Later(moment, metaclass=_AsBefore):  # type: ignore[misc, valid-type] # the class is a variable
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return moment.now(tz) + shift

        @classmethod
        def today(cls) -> dt.datetime:
            return moment.now() + shift

        @classmethod
        def utcnow(cls) -> dt.datetime:
            return moment.now(dt.timezone.utc).replace(tzinfo=None) + shift

    return Later
