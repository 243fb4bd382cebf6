"""What came out, in numbers: for the terminal, and as an exit code."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.reconcile.calls import VersionKey
from bridge.reconcile.compare import Comparison
from bridge.texts import printable

__all__ = ["DIFFERENT", "EQUAL", "NOT_RUN", "Summary", "VersionSummary"]

EQUAL, DIFFERENT, NOT_RUN = 0, 1, 2
_REASONS_SHOWN = 3


@dataclass(eq=False)
class VersionSummary:
    """What came out of one version.

    Attributes:
        key: the version.
        calls: answered calls.
        failed: calls that were answered with an error.
        cancelled: calls whose caller went away.
        rows: that were compared.
        equal: of these.
        different: of these.
        largest: the largest difference; infinite where one side is missing or no number.
        defaulted: rows with a default score, not among `rows`.
        without_score: rows that were answered without a score, not among `rows` either.
        unknown: rows that there was nothing to compare with.
        over_limit: rows of the model that were not scored again because it took too long.
        left_out: outputs that there was nothing to compare with.
        not_rescored: why nothing was compared; empty if it was.
        notes: what else has to be said: another environment, calls that could not be scored again.
    """

    key: VersionKey
    calls: int = 0
    failed: int = 0
    cancelled: int = 0
    rows: int = 0
    equal: int = 0
    different: int = 0
    largest: float = 0.0
    defaulted: int = 0
    without_score: int = 0
    unknown: int = 0
    over_limit: int = 0
    left_out: set[str] = field(default_factory=set)
    not_rescored: str = ""
    notes: list[str] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, comparison: Comparison) -> None:
        """Counts a compared batch."""
        used = comparison.by_model & ~comparison.unknown
        different = int(comparison.different.sum())
        self.rows += int(used.sum())
        self.different += different
        self.equal += int(used.sum()) - different
        self.defaulted += int(comparison.defaulted.sum())
        self.without_score += int(comparison.failed.sum())
        unknown = int((comparison.unknown & comparison.by_model).sum())
        self.unknown += 0 if comparison.over_limit else unknown
        self.over_limit += unknown if comparison.over_limit else 0
        self.left_out |= comparison.left_out
        for output in comparison.outputs:
            self.largest = max(self.largest, float(np.max(output.distance[used], initial=0.0)))
        if comparison.failure:
            self.failures[comparison.failure] += len(comparison.logged_batch.rows)

    def remarks(self) -> list[str]:
        """Everything that is to be said of it in words."""
        said = [f"not re-scored: {self.not_rescored}"] if self.not_rescored else []
        if self.failed or self.cancelled:
            said.append(f"calls without an answer: {self.failed} failed, {self.cancelled} cancelled by the caller")
        if self.without_score:
            said.append(f"rows that were answered without a score: {self.without_score}")
        if self.over_limit:
            said.append(f"rows of the model that were not re-scored, because it took too long: {self.over_limit}")
        if self.unknown:
            said.append(f"rows without a counterpart: {self.unknown}")
        if self.left_out:
            said.append(f"outputs that were not compared: {', '.join(sorted(self.left_out))}")
        shown = self.failures.most_common(_REASONS_SHOWN)
        others = self.failures.total() - sum(rows for _, rows in shown)
        for reason, rows in [*shown, ("for other reasons", others)]:
            said += [f"rows that got no score again: {rows} ({reason})"] if rows else []
        return said + self.notes


@dataclass(eq=False)
class Summary:
    """What came out of a log."""

    versions: list[VersionSummary] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 if a row differs; else 2 if a version, a row over its limit or every row had nothing to compare; else 0."""
        if any(version.different for version in self.versions):
            return DIFFERENT
        if not self.versions or any(version.over_limit for version in self.versions):
            return NOT_RUN
        if any(version.not_rescored and version.calls for version in self.versions):
            return NOT_RUN
        compared = sum(version.rows for version in self.versions)
        left = sum(version.unknown for version in self.versions)
        return NOT_RUN if left and not compared else EQUAL

    @property
    def verdict(self) -> str:
        """All of it in one sentence."""
        rows = sum(version.rows for version in self.versions)
        different = sum(version.different for version in self.versions)
        left = [str(version.key) for version in self.versions if version.not_rescored and version.calls]
        equal = f"all {rows} rows are equal" if rows else "there is no row to be compared"
        said = f"{different} of {rows} rows differ" if different else equal
        late = sum(version.over_limit for version in self.versions)
        said += f"; {late} rows were not re-scored" if late else ""
        said += f"; not re-scored: {', '.join(left)}" if left else ""
        return said if self.versions else "there is no call to be reconciled"

    def print(self, console: Console) -> None:
        """On a terminal, or to a file; a console must be wider than the table, or rich cuts it."""
        columns = self.columns()
        table = Table(box=None)
        for heading in columns:
            table.add_column(heading, justify="left" if heading == "version" else "right", no_wrap=True)
        for row in zip(*columns.values(), strict=True):
            table.add_row(*(escape(cell) for cell in row))
        console.print(table)
        for line in self.lines():
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    def columns(self) -> dict[str, list[str]]:
        """The table by its headings."""

        def cells(name: str) -> list[Any]:
            return [getattr(version, name) for version in self.versions]

        counts = ("calls", "rows", "equal", "different")
        return (
            {"version": [printable(str(key)) for key in cells("key")]}
            | {name: [f"{count:,}" for count in cells(name)] for name in counts}
            | {"largest difference": [f"{largest:.6g}" for largest in cells("largest")]}
            | {"defaulted": [f"{count:,}" for count in cells("defaulted")]}
        )

    def lines(self) -> list[str]:
        """What the table does not say; control characters of callers and models are spelled out."""
        remarks = [f"{version.key}: {remark}" for version in self.versions for remark in version.remarks()]
        return [printable(line) for line in (*self.notes, *remarks, self.verdict)]
