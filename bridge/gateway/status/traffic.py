"""The calls of one version in the last hour and the last minutes, from what was counted in each minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from bridge.counters import SECONDS, Minute

__all__ = ["HOUR", "RECENT", "Traffic", "traffic_of"]

HOUR = 60  # minutes that are drawn
RECENT = 5  # minutes that the figures count, the present one included


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one version; a bound of time is the place of a bucket in `SECONDS`, one more if above them all.

    Attributes:
        calls: the calls of the last five minutes.
        failed: those of them that were not answered, whosever fault it was.
        rows: the rows of answered calls in that time.
        defaulted: those of them with a default score.
        unscored: those of them without a score.
        half: the bound within which half of the calls ended; None without calls.
        most: the bound within which 99 of 100 calls ended; None without calls.
        calls_by_minute: the calls of each of the last 60 minutes, the present one last.
        defaults_by_minute: the share of the rows of each minute with a default score; None for a minute without rows.
        most_by_minute: the bound of 99 of 100 calls of each minute; None for a minute without calls.
    """

    calls: int
    failed: int
    rows: int
    defaulted: int
    unscored: int
    half: int | None
    most: int | None
    calls_by_minute: tuple[int, ...]
    defaults_by_minute: tuple[float | None, ...]
    most_by_minute: tuple[int | None, ...]

    @property
    def default_share(self) -> float | None:
        """The share of the rows of the last five minutes that got a default score; None without rows."""
        return self.defaulted / self.rows if self.rows else None


def traffic_of(minutes: Sequence[Minute], present: int) -> Traffic:
    """Returns the calls of a version.

    Args:
        minutes: what was counted of it in each minute that had calls, in order.
        present: the number of the present minute.
    """
    by_number = {one.number: one for one in minutes}
    hour = [by_number.get(number) for number in range(present - HOUR + 1, present + 1)]
    recent = [one for one in hour[-RECENT:] if one is not None]
    counts = [sum(column) for column in zip(*(one.seconds.counts for one in recent), strict=True)]
    return Traffic(
        calls=sum(one.calls for one in recent),
        failed=sum(one.failed for one in recent),
        rows=sum(map(_rows, recent)),
        defaulted=sum(one.defaulted for one in recent),
        unscored=sum(one.unscored for one in recent),
        half=_bound(counts, 0.5),
        most=_bound(counts, 0.99),
        calls_by_minute=tuple(0 if one is None else one.calls for one in hour),
        defaults_by_minute=tuple(
            one.defaulted / _rows(one) if one is not None and _rows(one) else None for one in hour
        ),
        most_by_minute=tuple(None if one is None else _bound(one.seconds.counts, 0.99) for one in hour),
    )


def _rows(minute: Minute) -> int:
    return minute.rows + minute.defaulted + minute.unscored


def _bound(counts: Sequence[int], share: float) -> int | None:
    """Returns the place of the first bucket up to which at least this share of the calls ended."""
    total = sum(counts)
    if not total:
        return None
    return next((place for place, seen in enumerate(accumulate(counts)) if seen >= share * total), len(SECONDS))
