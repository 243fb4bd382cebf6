"""Figures as the status page writes them: counts, shares, times and the numbers of versions."""

from collections.abc import Iterable

from bridge.counters import SECONDS

__all__ = ["count_text", "duration_text", "ranges_text", "share_text", "with_count"]

_SPACE = "\u00a0"  # between a figure and its unit, so that no line ends there
_LEAST_SHARE, _FEW = 0.001, 0.1
_MOST_RANGES = 20


def count_text(count: int) -> str:
    """Returns a count with its thousands apart, such as "12,345"."""
    return f"{count:,}"


def with_count(count: int, one: str, many: str = "") -> str:
    """Returns a count with its noun, such as "1 row" or "2 rows"; `many` is the plural, by default with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def share_text(share: float) -> str:
    """Returns a share in percent; neither a small one as none, nor nearly all as all."""
    if 0 < share < _LEAST_SHARE:
        return f"<{_SPACE}0.1{_SPACE}%"
    if 1 - _LEAST_SHARE < share < 1:
        return f">{_SPACE}99.9{_SPACE}%"
    return f"{100 * share:.1f}{_SPACE}%" if 0 < share < _FEW else f"{100 * share:.3g}{_SPACE}%"


def duration_text(bound: int) -> str:
    """Returns the bound of time at a place in `SECONDS`, such as "2.5 ms"; one more is above them all."""
    if bound >= len(SECONDS):
        return f"over {SECONDS[-1]:g}{_SPACE}s"
    seconds = SECONDS[bound]
    return f"{seconds:g}{_SPACE}s" if seconds >= 1 else f"{1000 * seconds:g}{_SPACE}ms"


def ranges_text(numbers: Iterable[int]) -> str:
    """Returns whole numbers in order, neighbours as ranges, such as "1-3, 7"; of many, the last and how many more."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    left = sum(last - first + 1 for first, last in ranges[:-_MOST_RANGES])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[-_MOST_RANGES:])
    return f"{left:,} before, {shown}" if left else shown
