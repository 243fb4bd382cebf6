"""Small charts of the last hour, a bar a minute: each an SVG path, with what it shows in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.counters import SECONDS
from bridge.gateway.status.traffic import HOUR
from bridge.gateway.status.words import count_text, duration_text, share_text

__all__ = ["HEIGHT", "WIDTH", "Sparkline", "calls_line", "defaults_line", "times_line"]

HEIGHT = 24
_STEP = 2
WIDTH = HOUR * _STEP
_LEAST = 1.5  # the height of the smallest bar: a thousandth of the rows must still be seen


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A chart.

    Attributes:
        path: the value of the SVG attribute `d`: a vertical stroke for each minute that has a bar.
        words: what the chart shows, for those who can't see it.
    """

    path: str
    words: str


def calls_line(calls: Sequence[int]) -> Sparkline:
    """Draws the calls of each minute, the highest bar being the most calls of a minute."""
    most = max(calls, default=0)
    words = f"Calls a minute over the last hour: at most {count_text(most)}, now {count_text(calls[-1])}"
    return Sparkline(_bars([one / most if most else 0.0 for one in calls]), words)


def defaults_line(shares: Sequence[float | None]) -> Sparkline:
    """Draws the share of rows with default scores of each minute, between none and all."""
    known = [one for one in shares if one is not None]
    if not known:
        return Sparkline("", "Default scores a minute over the last hour: no rows")
    last = "no rows now" if shares[-1] is None else f"now {share_text(shares[-1])}"
    words = (
        f"Share of rows with a default score, by minute over the last hour: at most {share_text(max(known))}, {last}"
    )
    return Sparkline(_bars([one or 0.0 for one in shares]), words)


def times_line(bounds: Sequence[int | None]) -> Sparkline:
    """Draws the time within which 99 of 100 calls of each minute ended, by the place of its bound in `SECONDS`."""
    known = [one for one in bounds if one is not None]
    if not known:
        return Sparkline("", "Time of calls by minute over the last hour: no calls")
    last = "no calls now" if bounds[-1] is None else f"now {duration_text(bounds[-1])}"
    words = f"99 of 100 calls ended within, by minute over the last hour: at most {duration_text(max(known))}, {last}"
    return Sparkline(_bars([0.0 if one is None else (one + 1) / (len(SECONDS) + 1) for one in bounds]), words)


def _bars(shares: Sequence[float]) -> str:
    """Returns the path of bars, each a share of the height between 0 and 1; a share of 0 has none."""
    return "".join(
        f"M{place * _STEP + _STEP // 2} {HEIGHT}v-{max(_LEAST, share * HEIGHT):.3g}"
        for place, share in enumerate(shares)
        if share > 0
    )
