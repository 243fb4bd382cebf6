"""The time zone of the session, by the name that a gateway's machine knows it by."""

import datetime as dt
import os
import time
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["SessionTimezone", "session_timezone"]

_INSTANTS = range(0, 2**31 - 1, 10 * 86_400)  # seconds since 1970, to 2038
_LOCALTIME = Path("/etc/localtime")


class SessionTimezone(NamedTuple):
    """The time zone of the session.

    Attributes:
        name: its name in the time zone database; None where that is not certain, or the session has none.
        remark: a sentence for the author if it is not certain, else empty.
    """

    name: str | None
    remark: str


def session_timezone() -> SessionTimezone:
    """Returns the time zone of this session, which is certain if its name gives the hours that the session has."""
    said = os.environ.get("TZ", "").removeprefix(":")
    if said in ("", str(_LOCALTIME)):
        said = _of_link()
    if said and _same_hours(said):
        return SessionTimezone(said, "")
    if not said and all(time.localtime(instant)[:6] == time.gmtime(instant)[:6] for instant in _INSTANTS):
        return SessionTimezone(None, "")
    named = f" '{said}'" if said.isprintable() and said else ""
    return SessionTimezone(
        None,
        f"the time zone{named} of this session can't be identified with certainty: the bundle runs in UTC unless you "
        "set `timezone` in its model.toml",
    )


def _of_link() -> str:
    """Returns the name of the zone to which the link /etc/localtime leads; empty if it is not such a link."""
    path = str(_LOCALTIME.resolve())
    _, found, name = path.partition("/zoneinfo/")
    return name.removeprefix("posix/").removeprefix("right/") if found else ""


def _same_hours(name: str) -> bool:
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return all(
        dt.datetime.fromtimestamp(instant, zone).timetuple()[:6] == time.localtime(instant)[:6] for instant in _INSTANTS
    )
