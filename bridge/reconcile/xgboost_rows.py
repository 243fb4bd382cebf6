"""Reads the rows of a logged request in a booster's order, from the message itself.

It shares no code with serving for names, categories and missing values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Array
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.xgboost_codes import SentColumn, UnfitRows, checked_codes, codes_of
from bridge.reconcile.xgboost_levels import Levels

__all__ = ["RowReader", "Rows"]

_DTYPES = {"doubles": np.float64, "floats": np.float32, "int32s": np.int32, "int64s": np.int64, "bools": np.bool_}
_FLOATING = ("doubles", "floats")
_FEW = 64


class Rows(NamedTuple):
    """Rows in a booster's order.

    Attributes:
        numbers: the features as floats, shape (rows, features); categories as codes, NaN where missing.
        margins: the base margin of each row, shape (rows,); None if the model takes none.
        is_table: whether the rows were sent as columns, with categories as values instead of codes.
    """

    numbers: Array
    margins: Array | None
    is_table: bool


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the rows of requests for one booster.

    Attributes:
        names: the names of the booster's features, in its order.
        levels: the levels of its categories, by the 0-based position of the feature.
        missing: the number that stands for missing.
        margin: the name of the column of base margins; None if there is none.
    """

    names: tuple[str, ...]
    levels: Mapping[int, Levels]
    missing: float
    margin: str | None = None

    def read(self, logged_batch: LoggedBatch) -> Rows:
        """Returns the rows of a batch in the booster's order.

        Raises:
            UnfitRows: the rows don't fit the booster. A call that was answered with defaults while its version loaded
                was not checked against the features, so it may be logged with such rows.
        """
        request = logged_batch.call.request
        is_table = request.WhichOneof("features") == "table"
        numbers = (
            self._table(request.table, logged_batch.rows)
            if is_table
            else self._matrix(request.matrix, logged_batch.rows)
        )
        with np.errstate(over="ignore"):
            infinite = np.isinf(numbers.astype(np.float32)).any(axis=0)
        if infinite.any():
            name = self._columns[int(infinite.argmax())]
            raise UnfitRows(f"column '{name}' holds an infinite number, or one beyond float32")
        count = len(self.names)
        return Rows(numbers[:, :count], None if self.margin is None else numbers[:, count], is_table)

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.names if self.margin is None else (*self.names, self.margin)

    def _matrix(self, matrix: pb.Matrix, rows: Array) -> Array:
        kind = matrix.WhichOneof("values") or "doubles"
        numbers = _numbers(getattr(matrix, kind).values, kind)
        width = len(matrix.columns) or len(numbers) // matrix.rows
        order = self._order(matrix.columns) if matrix.columns else list(range(width))
        if width != len(self._columns):
            raise UnfitRows(f"they have {width} columns, the model takes {len(self._columns)}")
        ordered: Array = numbers.reshape(matrix.rows, width)[rows][:, order]
        for position, levels in self.levels.items():
            ordered[:, position] = checked_codes(self.names[position], ordered[:, position], levels, self.missing)
        return ordered

    def _table(self, table: pb.Table, rows: Array) -> Array:
        order = self._order([column.name for column in table.columns])
        columns = [self._column(table.columns[place], position, rows) for position, place in enumerate(order)]
        return np.column_stack(columns)

    def _order(self, given: Sequence[str]) -> list[int]:
        if sorted(given) != sorted(self._columns):
            raise UnfitRows("they have other columns than the model")
        places = {name: place for place, name in enumerate(given)}
        return [places[name] for name in self._columns]

    def _column(self, column: pb.Column, position: int, rows: Array) -> Array:
        kind = column.WhichOneof("values") or "doubles"
        levels = self.levels.get(position)
        if kind == "strings" or (levels is not None and not levels.by_codes):
            return codes_of(_sent(column, kind, rows), levels, self.missing)
        numbers = _numbers(getattr(column, kind).values, kind)
        # int64 becomes float32 directly, as in pandas; a double in between would round numbers beyond 2^53 twice.
        floats = numbers.astype(np.float32 if kind == "int64s" else np.float64)
        if column.missing_rows:
            floats[column.missing_rows] = np.nan
        return floats[rows]


def _numbers(entries: Sequence[Any], kind: str) -> Array:
    # For a few entries fromiter is faster: np.array takes microseconds to start, and a log may hold only single rows.
    if len(entries) <= _FEW:
        return np.fromiter(entries, _DTYPES[kind], len(entries))
    return np.array(entries, _DTYPES[kind])


def _sent(column: pb.Column, kind: str, rows: Array) -> SentColumn:
    entries = getattr(column, kind).values
    absent = np.zeros(len(entries), np.bool_)
    absent[list(column.missing_rows)] = True
    chosen = [entries[row] for row in rows]
    if kind in _FLOATING:
        absent |= np.isnan(_numbers(entries, kind))
    return SentColumn(column.name, kind, chosen, absent[rows])
