"""What a publication is asked to do, checked before anything is read or written."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bridge.features.publishing.publishing_errors import PublicationRefused
from bridge.features.stores.group import MOST_FEATURES, MOST_NAME_BYTES, NAME, GroupFeature

__all__ = [
    "USUAL_MIN_SHARE",
    "USUAL_TTL_S",
    "PublicationOptions",
    "check_features",
    "check_group_name",
    "check_timezone",
    "read_ttl",
]

USUAL_TTL_S = 3 * 86_400
USUAL_MIN_SHARE = 0.9
_LEAST_TTL_S, _MOST_TTL_S = 60, 366 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TTL = re.compile(r"([0-9]{1,9})([smhd])")
_NAMED = "by up to 64 letters, digits, points, hyphens and underscores, of which the first is a letter or digit"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationOptions:
    """How a group's next batch is published.

    Attributes:
        group: the group's name.
        batch: the batch's name, by custom the day up to which it counts; None for yesterday in the group's time zone.
        ttl_s: the seconds after which the store lets its rows expire, from a minute to 366 days.
        min_share: the least share of the current batch's entities that the new one must have, from 0 to 1.
        timezone: the name of the group's time zone, such as "Europe/Berlin"; None for the one that it has, else UTC.
        accept_schema: whether the features or the time zone may differ from the current batch's.

    Raises:
        PublicationRefused: one of them has a value that it can't have.
    """

    group: str
    batch: str | None = None
    ttl_s: int = USUAL_TTL_S
    min_share: float = USUAL_MIN_SHARE
    timezone: str | None = None
    accept_schema: bool = False

    def __post_init__(self) -> None:
        check_group_name(self.group)
        if self.batch is not None and NAME.fullmatch(self.batch) is None:
            raise PublicationRefused(f"a batch is named {_NAMED}")
        if not _LEAST_TTL_S <= self.ttl_s <= _MOST_TTL_S:
            raise PublicationRefused("rows must live for a minute to 366 days, such as 3d")
        if not 0 <= self.min_share <= 1:
            raise PublicationRefused("the least share of the current batch's entities must be from 0 to 1, such as 0.9")
        if self.timezone is not None:
            check_timezone(self.timezone)


def check_group_name(name: str) -> None:
    """Checks the name of a group.

    Raises:
        PublicationRefused: no group may be named so.
    """
    if NAME.fullmatch(name) is None:
        raise PublicationRefused(f"a group is named {_NAMED}")


def check_features(features: Sequence[GroupFeature]) -> None:
    """Checks the names of features.

    Raises:
        PublicationRefused: there is none, there are too many, one is there twice, or one has a name that is too long.
    """
    names = [one.name for one in features]
    if not 0 < len(names) <= MOST_FEATURES:
        raise PublicationRefused(f"there are {len(names)} features: a group has 1 to {MOST_FEATURES}")
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise PublicationRefused(f"feature '{twice}' is there twice")
    if any(not 0 < len(name.encode()) <= MOST_NAME_BYTES for name in names):
        raise PublicationRefused(f"a feature's name has 1 to {MOST_NAME_BYTES} bytes of UTF-8")


def check_timezone(name: str) -> None:
    """Checks the name of a time zone.

    Raises:
        PublicationRefused: this machine knows none of that name.
    """
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:
        raise PublicationRefused(
            "this machine knows no such time zone: name one such as Europe/Berlin, or UTC"
        ) from error


def read_ttl(text: str) -> int:
    """Returns the seconds that a text such as "90m", "36h" or "3d" states.

    Raises:
        PublicationRefused: it is no whole number with one of the units s, m, h and d.
    """
    found = _TTL.fullmatch(text)
    if found is None:
        raise PublicationRefused("how long rows live is a whole number with a unit: s, m, h or d, such as 3d")
    return int(found[1]) * _UNITS[found[2]]
