"""Writes the status page from its facts: HTML by Jinja2, which escapes every text that it puts in."""

import platform
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as version_of
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bridge.drift.psi import MUCH, SOME, reading_of
from bridge.drift.shift import Shift, VersionShifts
from bridge.files import size_text
from bridge.gateway.status.drift import Drift, has_moved_much
from bridge.gateway.status.facts import Facts, VersionFacts
from bridge.gateway.status.sparklines import HEIGHT, WIDTH, Sparkline, calls_line, defaults_line, times_line
from bridge.gateway.status.traffic import RECENT, Traffic, traffic_of
from bridge.gateway.status.troubles import MOST_REASON, troubles_of
from bridge.gateway.status.words import count_text, duration_text, ranges_text, share_text, with_count
from bridge.models.version import State
from bridge.services.models import format_instant
from bridge.texts import brief

__all__ = ["REFRESH_S", "STYLE", "render"]

REFRESH_S = 10
STYLE = files(__package__).joinpath("page.css").read_text("utf-8")

_MOST_ROWS = 500  # versions that are shown one by one
_MOST_TROUBLES = 100
_MOST_MODELS = 1000  # whose versions that are not loaded are listed
_MOST_SHIFTS = 8
_AT_REST = (State.NOT_RESIDENT, State.NOT_DEPLOYED)


@dataclass(frozen=True, slots=True)
class _Row:
    """A version that is loaded, or is to be, with its charts; none of them if it had no calls in the last hour."""

    facts: VersionFacts
    reason: str
    traffic: Traffic
    charts: tuple[Sparkline, Sparkline, Sparkline] | None
    failures: str


def render(facts: Facts, *, still: bool) -> bytes:
    """Returns the page in UTF-8; `still`: whether it does not refresh itself."""
    rows = [_row(one, facts.minute) for one in facts.versions if one.state not in _AT_REST]
    troubles = troubles_of(facts, {row.facts.name: row.traffic for row in rows})
    urgent = {one.subject for one in troubles if one.urgent}
    ill = {one.subject for one in troubles}
    rows.sort(key=lambda row: _place(row.facts, urgent, ill))
    text = _template().render(
        facts=facts,
        still=still,
        rows=rows[:_MOST_ROWS],
        more_rows=max(0, len(rows) - _MOST_ROWS),
        troubles=troubles[:_MOST_TROUBLES],
        more_troubles=max(0, len(troubles) - _MOST_TROUBLES),
        urgent=sum(one.urgent for one in troubles),
        others=sum(not one.urgent for one in troubles),
        resting=_resting(facts),
        moved=_moved(facts.drift),
    )
    return text.encode()


def _place(version: VersionFacts, urgent: set[str], ill: set[str]) -> tuple[bool, bool, str, int]:
    """Returns what versions are sorted by: those with trouble first, the highest version of a model before others."""
    return version.name not in urgent, version.name not in ill, version.model, -version.number


def _row(version: VersionFacts, minute: int) -> _Row:
    traffic = traffic_of(version.minutes, minute)
    charts = None
    if any(traffic.calls_by_minute):
        lines = calls_line(traffic.calls_by_minute), defaults_line(traffic.defaults_by_minute)
        charts = *lines, times_line(traffic.most_by_minute)
    failed = sorted((code, count) for code, count in (version.codes or {}).items() if code != "OK")
    failures = ", ".join(f"{code} {count:,}" for code, count in failed)
    return _Row(version, brief(version.reason, MOST_REASON), traffic, charts, failures)


def _resting(facts: Facts) -> list[tuple[str, str, str]]:
    """Returns each model that has versions which are not loaded, with their numbers, and those not even deployed."""
    numbers: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for one in facts.versions:
        if one.state in _AT_REST:
            numbers[one.model][one.state is State.NOT_DEPLOYED].append(one.number)
    listed = list(numbers.items())[:_MOST_MODELS]
    return [(model, ranges_text(loadable), ranges_text(bare)) for model, (loadable, bare) in listed]


def _moved(drift: Drift | None) -> list[tuple[VersionShifts, list[Shift], int]]:
    """Returns each version with its shifts that have a figure, the largest first, and how many are not listed."""
    moved = []
    for one in () if drift is None else drift.versions:
        known = sorted((shift for shift in one.shifts if shift.psi is not None), key=lambda shift: -(shift.psi or 0))
        moved.append((one, known[:_MOST_SHIFTS], len(one.shifts) - len(known[:_MOST_SHIFTS])))
    return moved


def _software() -> str:
    return f"scorebridge {version_of('scorebridge-gateway')}, Python {platform.python_version()}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "brief": brief,
        "count": count_text,
        "counted": with_count,
        "instant": format_instant,
        "reading": reading_of,
        "share": share_text,
        "size": size_text,
        "within": duration_text,
    }
    environment.tests["moved_much"] = has_moved_much
    constants = {"HEIGHT": HEIGHT, "WIDTH": WIDTH, "RECENT": RECENT, "REFRESH_S": REFRESH_S, "STYLE": STYLE}
    environment.globals |= constants | {"SOME": SOME, "MUCH": MUCH, "SOFTWARE": _software()}
    return environment.get_template("page.html")
