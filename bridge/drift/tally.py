"""Counts logged rows into the bins of a version's reference, in bounded memory however long the log is."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from bridge.columns import Array, Column, Table, join
from bridge.drift.bins import Bins, Family, family_of
from bridge.drift.psi import LEAST_ROWS, chance_of, psi_of
from bridge.drift.reference import Reference, ReferenceNotReadable
from bridge.drift.shift import Kind, Shift

__all__ = ["Tally"]

_HELD_ROWS = 8192
_HELD_TABLES = 1024
_MOST_COLUMNS = 16_384  # as many as a gateway takes in a request


class Tally:
    """The counts of all features, or of all scores, of one version.

    Args:
        kind: which of them are counted.
        reference: the rows that they are compared with.

    Attributes:
        is_full: whether columns don't count, because there are more than 16,384 different ones; `shifts` settles it.
    """

    def __init__(self, kind: Kind, reference: Reference) -> None:
        self.is_full = False
        self._kind = kind
        self._reference = reference
        self._columns: dict[str, _ColumnTally] = {}
        # Rows of calls with the same columns are counted together: most calls have one row.
        self._held: dict[tuple[object, ...], list[Table]] = defaultdict(list)
        self._held_rows = self._held_tables = 0
        self._alone = True

    def add(self, table: Table, *, alone: bool = False) -> None:
        """Counts rows.

        Args:
            table: the columns.
            alone: whether the one column is the model's only output, so far as the call tells.
        """
        if not table.rows or not table.columns:
            return
        self._alone &= alone
        self._held[tuple((column.name, column.type) for column in table.columns)].append(table)
        self._held_rows += table.rows
        self._held_tables += 1
        if self._held_rows >= _HELD_ROWS or self._held_tables >= _HELD_TABLES:
            self.settle()

    def settle(self) -> None:
        """Counts the rows that were added and are still held, and lets go of them."""
        for tables in self._held.values():
            joined = join(tables)
            for column in joined.columns if isinstance(joined, Table) else ():
                self._count(column)
        self._held.clear()
        self._held_rows = self._held_tables = 0

    def shifts(self) -> list[Shift]:
        """Returns how far each column has moved, in the order of their first rows."""
        self.settle()
        return [one.shift(self._kind) for one in self._columns.values()]

    def used(self) -> frozenset[str]:
        """Returns the names of the reference's columns that logged columns were compared with."""
        return frozenset(one.place for one in self._columns.values() if one.place is not None)

    def _count(self, column: Column) -> None:
        tally = self._columns.get(column.name)
        if tally is None:
            if len(self._columns) >= _MOST_COLUMNS:
                self.is_full = True
                return
            place = self._reference.column_of(column.name, self._kind, alone=self._alone)
            tally = self._columns[column.name] = _ColumnTally(column.name, place, self._reference)
        tally.add(column, self._kind)


@dataclass
class _ColumnTally:
    """The counts of one column; its bins are made when its first value shows what its values are."""

    name: str
    place: str | None
    reference: Reference
    rows: int = 0
    missing: int = 0
    family: Family | None = None
    bins: Bins | None = None
    counts: Array | None = None
    why: str = ""

    def add(self, column: Column, kind: Kind) -> None:
        self.rows += len(column)
        absent = int(column.missing().sum())
        if absent == len(column):
            self.missing += absent  # a column without values may have any type
            return
        family = family_of(column.type)
        if self.family is None:
            self.family = family
            self._make_bins(kind, family)
        elif self.family is not family:
            self.why = f"some calls have {self.family.value}, others {family.value}"
        if self.bins is not None and self.counts is not None and not self.why:
            self.counts += self.bins.count(column)

    def _make_bins(self, kind: Kind, family: Family | None) -> None:
        if self.place is None:
            return
        try:
            self.bins = self.reference.bins(self.place, kind, family)
        except ReferenceNotReadable as error:
            self.why = str(error)
        else:
            self.counts = np.zeros(len(self.bins.against), np.int64)

    def shift(self, kind: Kind) -> Shift:
        if self.place is None:
            return Shift(self.name, kind, None, self.rows, 0, f"{self.reference.name} has no column for it")
        if self.family is None and not self.why:
            self._make_bins(kind, None)
        if self.bins is None or self.counts is None:
            return Shift(self.name, kind, None, self.rows, self.reference.rows, self.why)
        against = self.bins.against
        few = _few(self.rows, int(against.sum()), self.reference.name)
        if self.why or few:
            return Shift(self.name, kind, None, self.rows, int(against.sum()), self.why or few)
        counts = self.counts.copy()
        counts[-1] += self.missing
        return Shift(
            self.name,
            kind,
            psi_of(counts, against),
            self.rows,
            int(against.sum()),
            chance=chance_of(counts, against),
        )


def _few(rows: int, against: int, name: str) -> str:
    """Returns why there are too few rows for a figure; empty if there are enough."""
    if rows < LEAST_ROWS:
        return f"calls have {rows} rows, which is fewer than {LEAST_ROWS}"
    if against < LEAST_ROWS:
        return f"{name} has {against} rows, which is fewer than {LEAST_ROWS}"
    return ""
