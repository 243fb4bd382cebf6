"""How `scorebridge log stats --against` shows drift: as tables, and with --json; docs/prediction-log.md states both."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.log_listing import skipped_listing
from bridge.drift.measure import Measured
from bridge.drift.psi import MUCH, SOME, reading_of
from bridge.drift.shift import Shift, VersionShifts

__all__ = ["drift_listing", "print_drift"]

_CONVENTION = f"usual reading (Siddiqi 2006): below {SOME} little shift, to {MUCH} some, above {MUCH} much"


def drift_listing(found: Measured) -> dict[str, Any]:
    """Returns what was measured."""
    return {
        "versions": [_version(one) for one in found.versions],
        "left_out": found.left_out,
        "skipped": skipped_listing(found.damages),
    }


def _version(one: VersionShifts) -> dict[str, Any]:
    return {
        "model": one.model,
        "version": one.version,
        "rows": one.rows,
        "default_rows": one.default_rows,
        "since": one.since.isoformat(),
        "until": one.until.isoformat(),
        "whole": one.whole,
        "why": one.why or None,
        "shifts": [
            {"name": shift.name, "kind": shift.kind, "psi": shift.psi, "reading": _reading(shift) or None}
            | {"chance": shift.chance, "rows": shift.rows, "against": shift.against, "why": shift.why or None}
            for shift in one.shifts
        ],
    }


def print_drift(found: Measured, console: Console) -> None:
    """Prints a table of each version: its features and scores, with the reading of each figure."""
    for one in found.versions:
        console.print(Text(_heading(one)))
        for sentence in filter(None, [one.why]):
            console.print(Text(f"note: {sentence}"))
        if one.shifts:
            console.print(_table(one))
        console.print()
    console.print(Text(_CONVENTION if found.versions else "no version has answered a call"))
    if found.left_out:
        console.print(Text(f"{found.left_out} calls of versions beyond the first 1000 don't count"))


def _heading(one: VersionShifts) -> str:
    share = one.default_rows / one.rows if one.rows else 0.0
    times = f"{one.since:%Y-%m-%dT%H:%MZ} to {one.until:%Y-%m-%dT%H:%MZ}"
    return f"{one.model}/{one.version}: {one.rows} rows, {share:.2%} with a default score, {times}"


def _table(one: VersionShifts) -> Table:
    table = Table(box=None)
    table.add_column("kind", no_wrap=True)
    table.add_column("name", overflow="fold")
    for heading in ("psi", "by chance", "rows", "against"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("shift", overflow="fold")
    for shift in one.shifts:
        # As Text, because in a str rich would look for markup, and callers and bundles choose these names.
        table.add_row(*map(Text, _cells(shift)))
    return table


def _cells(shift: Shift) -> Iterator[str]:
    yield from (shift.kind, shift.name)
    yield "" if shift.psi is None else f"{shift.psi:.3f}"
    yield "" if shift.chance is None else f"{shift.chance:.3f}"
    yield from (str(shift.rows), str(shift.against))
    yield shift.why or _reading(shift)


def _reading(shift: Shift) -> str:
    return "" if shift.psi is None else reading_of(shift.psi)
