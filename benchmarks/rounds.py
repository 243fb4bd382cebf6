"""Measuring as ratios: what is compared takes turns (A B A B), and the median of the rounds' ratios counts."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

__all__ = ["Measured", "Result", "Rounds", "p50_s", "quantile", "take_turns"]

Measure = Callable[[], float]


@dataclass
class Rounds:
    """What each of several things measured in each round."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Of one thing over all rounds."""
        return median(self.values[name])

    def measured(self, name: str) -> "Measured":
        """One thing's figure itself."""
        return Measured.of(self.values[name])

    def ratio(self, one: str, other: str) -> "Measured":
        """One over the other, round by round."""
        pairs = zip(self.values[one], self.values[other], strict=True)
        return Measured.of([above / below for above, below in pairs])


@dataclass(frozen=True)
class Measured:
    """A figure over several rounds."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: list[float]) -> "Measured":
        """The figure of these rounds."""
        return cls(median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


@dataclass(frozen=True)
class Result:
    """A row of the table.

    Attributes:
        what: is compared.
        target: in words, such as ">= 3"; empty for a row that has none.
        measured: the ratio or figure.
        met: None for a row without a target.
        details: the absolute figures behind it.
    """

    what: str
    target: str
    measured: Measured
    met: bool | None
    details: Mapping[str, Any]

    @classmethod
    def at_least(cls, what: str, limit: float, measured: Measured, **details: Any) -> "Result":
        """A target from below."""
        return cls(what, f"≥ {limit:g}", measured, measured.median >= limit, details)

    @classmethod
    def at_most(cls, what: str, limit: float, measured: Measured, **details: Any) -> "Result":
        """A target from above."""
        return cls(what, f"≤ {limit:g}", measured, measured.median <= limit, details)

    @classmethod
    def noted(cls, what: str, measured: Measured, **details: Any) -> "Result":
        """No target."""
        return cls(what, "", measured, None, details)


def take_turns(rounds: int, measures: Mapping[str, Measure]) -> Rounds:
    """Measures each thing in turn, after one turn that does not count."""
    for measure in measures.values():
        measure()
    result = Rounds({name: [] for name in measures})
    for _ in range(rounds):
        for name, measure in measures.items():
            result.values[name].append(measure())
    return result


def quantile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def p50_s(call: Callable[[], Any], seconds: float) -> float:
    """The median of calls one after the other for so long, seconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times)
