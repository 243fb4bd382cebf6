"""Counts what lookups gave, by version and lookup: rows from the batch before, rows without features, failures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text
from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.prediction_log.reasons import reason_name

__all__ = ["LookupCounts", "lookup_table"]


@dataclass
class LookupCounts:
    """Counts of one lookup of a version.

    Attributes:
        calls: the number of calls for which it was made, whatever became of them.
        previous_rows: the number of rows whose features come from the batch before.
        missing_rows: the number of rows whose features are missing.
        failures: the number of calls for which no row was looked up, by reason.
        oldest_s: the greatest age of a batch when a call was answered, seconds; None if no batch had an age.
    """

    calls: int = 0
    previous_rows: int = 0
    missing_rows: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    oldest_s: float | None = None

    def add(self, one: log_pb.LoggedLookup) -> None:
        """Counts what the lookup gave for one call."""
        told = one.lookup
        self.calls += 1
        self.previous_rows += told.previous_rows
        self.missing_rows += told.missing_rows
        if told.failure:
            self.failures[reason_name(told.failure)] += 1
        if told.HasField("age"):
            self.oldest_s = max(told.age.ToNanoseconds() / 1e9, self.oldest_s or 0.0)


def lookup_table(counts: Mapping[tuple[str, str], LookupCounts]) -> Table:
    """Returns the counts as a table, by "MODEL/VERSION" and lookup."""
    table = Table(box=None)
    for title in ("model/version", "lookup"):
        table.add_column(title, overflow="fold")
    for title in ("calls", "previous rows", "missing rows", "oldest s"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("failed calls", overflow="fold")
    for (version, name), one in counts.items():
        oldest = "" if one.oldest_s is None else f"{one.oldest_s:.0f}"
        failed = ", ".join(f"{reason} {calls}" for reason, calls in one.failures.most_common())
        rows = (str(one.calls), str(one.previous_rows), str(one.missing_rows), oldest)
        # As Text, because in a str rich would look for markup, and a model's author chooses these names.
        table.add_row(Text(version), Text(name), *rows, failed)
    return table
