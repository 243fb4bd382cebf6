"""The result of a reconciliation in numbers and sentences, for the terminal and the report, and its exit code."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.reconcile.compare import Comparison
from bridge.reconcile.spool import VersionKey
from bridge.texts import printable

__all__ = ["DIFFERENT", "EQUAL", "NOT_RUN", "Summary", "VersionSummary"]

EQUAL, DIFFERENT, NOT_RUN = 0, 1, 2
_REASONS_SHOWN = 3


@dataclass(eq=False)
class VersionSummary:
    """The result for one version.

    Attributes:
        key: the version.
        calls: the number of answered calls.
        failed: the number of calls that were answered with an error.
        cancelled: the number of calls that their caller cancelled.
        rows: the number of compared rows.
        equal: the number of compared rows that are equal.
        different: the number of compared rows that differ.
        largest: the largest difference; infinite where one side is missing or no number.
        defaulted: the number of rows with a default score, which are not among `rows`.
        without_score: the number of rows that were answered without a score, which are not among `rows`.
        unknown: the number of rows of the model with nothing to compare with.
        over_limit: the number of rows of the model that were not scored again because it took too long.
        left_out: the names of outputs with nothing to compare with.
        not_rescored: why the version, or the rest of it, was not compared; empty if it was.
        notes: further sentences, such as that the engine has changed.
        failures: the number of rows that could not be scored again, by reason.
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
        """Adds the counts of a compared batch."""
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
        """Returns the sentences about the version that the table does not show."""
        said = [f"not re-scored: {self.not_rescored}"] if self.not_rescored else []
        if self.failed or self.cancelled:
            said.append(f"calls without an answer: {self.failed} failed, {self.cancelled} cancelled by the caller")
        if self.without_score:
            said.append(f"rows that were answered without a score: {self.without_score}")
        if self.over_limit:
            late = f"rows of the model that were not re-scored, because it took too long: {self.over_limit}"
            said.append(f"{late} (--timeout gives each call more)")
        if self.unknown:
            said.append(f"rows without a counterpart: {self.unknown}")
        if self.left_out:
            said.append(f"outputs that were not compared: {', '.join(sorted(self.left_out))}")
        shown = self.failures.most_common(_REASONS_SHOWN)
        others = self.failures.total() - sum(rows for _, rows in shown)
        for reason, rows in [*shown, ("for other reasons", others)]:
            said += [f"rows that could not be re-scored: {rows} ({reason})"] if rows else []
        return said + self.notes


@dataclass(eq=False)
class Summary:
    """The result for a whole log.

    Attributes:
        versions: the result for each version.
        notes: sentences about the log and the machine.
    """

    versions: list[VersionSummary] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 1 if a row differs, else 2 if not all could be compared, else 0.

        It is 2 if there is no version, if one was not scored again or only in part, if rows were over their time limit,
        or if no row had anything to be compared with.
        """
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
        """The result of the whole log in one sentence."""
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
        """Prints the table and the sentences; the console must be wider than the table, or rich cuts the table."""
        columns = self.columns()
        table = Table(box=None)
        for heading in columns:
            table.add_column(heading, justify="left" if heading == "version" else "right", no_wrap=True)
        for row in zip(*columns.values(), strict=True):
            table.add_row(*(escape(cell) for cell in row))
        console.print(table)
        for line in self.lines():
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    def listing(self) -> dict[str, Any]:
        """Returns the result as `--json` prints it; docs/reconcile.md states the fields."""
        counts = ["calls", "failed", "cancelled", "rows", "equal", "different", "largest", "defaulted"]
        counts += ["without_score", "unknown", "over_limit"]
        return {
            "exit_code": self.exit_code,
            "verdict": printable(self.verdict),
            "versions": [
                {"version": str(one.key)}
                | {name: getattr(one, name) for name in counts}
                | {"not_rescored": one.not_rescored or None, "failures": dict(one.failures.most_common())}
                | {"left_out": sorted(one.left_out), "notes": one.notes}
                for one in self.versions
            ],
            "notes": self.notes,
        }

    def columns(self) -> dict[str, list[str]]:
        """Returns the columns of the table by their headings, one cell for each version."""

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
        """Returns the sentences below the table, the verdict last; control characters in them are spelled out."""
        remarks = [f"{version.key}: {remark}" for version in self.versions for remark in version.remarks()]
        return [printable(line) for line in (*self.notes, *remarks, self.verdict)]
