"""The figures, charts and words of the status page, from what was counted."""

import re

import pytest

from bridge.counters import SECONDS, Minute
from bridge.gateway.status.sparklines import HEIGHT, WIDTH, calls_line, defaults_line, times_line
from bridge.gateway.status.traffic import HOUR, traffic_of
from bridge.gateway.status.words import duration_text, ranges_text, share_text

_NOW = 1000


def minute(back: int, *times_s: float, rows: int = 0, defaulted: int = 0, unscored: int = 0, failed: int = 0) -> Minute:
    """What was counted so many minutes ago: a call for each time."""
    made = Minute(_NOW - back, calls=len(times_s), rows=rows, defaulted=defaulted, unscored=unscored, failed=failed)
    for time_s in times_s:
        made.seconds.add(time_s)
    return made


def test_the_figures_are_of_the_last_five_minutes_and_the_charts_of_the_last_hour() -> None:
    found = traffic_of(
        [
            minute(60, 1.0, rows=5),  # an hour ago: no longer drawn
            minute(59, 1.0, rows=1),
            minute(5, 1.0, rows=7, defaulted=1),  # drawn, and not counted
            minute(4, 0.002, 0.002, rows=6, defaulted=2, failed=1),
            minute(0, 0.3, rows=1, unscored=1),
        ],
        _NOW,
    )
    assert (found.calls, found.failed, found.rows, found.defaulted, found.unscored) == (3, 1, 10, 2, 1)
    assert found.default_share == pytest.approx(0.2)
    assert found.calls_by_minute == (1, *[0] * 53, 1, 2, 0, 0, 0, 1)
    assert found.defaults_by_minute == (0.0, *[None] * 53, 1 / 8, 2 / 8, None, None, None, 0.0)
    assert len(found.most_by_minute) == HOUR
    assert found.most_by_minute[-1] == SECONDS.index(0.5)


def test_what_is_said_of_times_is_true_of_the_calls_themselves() -> None:
    found = traffic_of([minute(0, *[0.002] * 99, 0.2)], _NOW)
    assert (found.half, found.most) == (SECONDS.index(0.0025), SECONDS.index(0.0025))
    found = traffic_of([minute(0, *[0.002] * 98, 0.2, 100.0)], _NOW)
    assert found.most == SECONDS.index(0.25)
    found = traffic_of([minute(1, 100.0), minute(0, 0.002)], _NOW)
    assert (found.half, found.most) == (SECONDS.index(0.0025), len(SECONDS))


def test_without_calls_there_are_no_figures() -> None:
    found = traffic_of([], _NOW)
    assert (found.calls, found.default_share, found.half, found.most) == (0, None, None, None)
    assert not any(found.calls_by_minute)
    assert traffic_of([minute(0, 0.1, failed=1)], _NOW).default_share is None


def _spaced(text: str) -> str:
    return text.replace("\u00a0", " ")


def bars(path: str) -> list[tuple[int, float]]:
    """Where each bar stands, and its height."""
    return [(int(x), float(height)) for x, height in re.findall(rf"M(\d+) {HEIGHT}v-([\d.]+)", path)]


def test_a_bar_stands_for_each_minute_and_its_height_for_the_share() -> None:
    line = calls_line([0] * (HOUR - 3) + [1000, 0, 500])
    assert bars(line.path) == [(WIDTH - 5, HEIGHT), (WIDTH - 1, HEIGHT / 2)]
    assert line.words == "Calls a minute over the last hour: at most 1,000, now 500"


def test_one_default_among_thousands_is_seen() -> None:
    line = defaults_line([None] * (HOUR - 2) + [0.0001, 0.0])
    ((_, height),) = bars(line.path)
    assert height > 1
    assert _spaced(line.words).endswith("at most < 0.1 %, now 0 %")
    assert _spaced(defaults_line([None] * HOUR).words).endswith("no rows")


def test_times_rise_by_their_bound() -> None:
    line = times_line([None] * (HOUR - 2) + [0, len(SECONDS)])
    (_, low), (_, high) = bars(line.path)
    assert (low, high) == (1.5, HEIGHT)
    assert _spaced(line.words).endswith("at most over 60 s, now over 60 s")
    assert _spaced(times_line([0] + [None] * (HOUR - 1)).words).endswith("at most 0.5 ms, no calls now")
    assert times_line([None] * HOUR).path == ""


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0~%"),
        (0.0004, "<~0.1~%"),
        (0.012, "1.2~%"),
        (0.25, "25~%"),
        (0.857, "85.7~%"),
        (0.9999, ">~99.9~%"),
        (1.0, "100~%"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_all(share: float, text: str) -> None:
    assert share_text(share).replace("\u00a0", "~") == text


def test_bounds_of_time_are_in_the_unit_that_is_read_best() -> None:
    texts = [_spaced(duration_text(SECONDS.index(one))) for one in (0.0005, 0.25, 1.0, 60.0)]
    assert texts == ["0.5 ms", "250 ms", "1 s", "60 s"]


def test_neighbouring_numbers_are_a_range_and_many_are_cut() -> None:
    assert ranges_text([7, 1, 2, 3]) == "1-3, 7"
    assert ranges_text([]) == ""
    text = ranges_text(range(0, 1000, 2))
    assert text.startswith("480 before, 960, ")
    assert text.endswith(", 998")
