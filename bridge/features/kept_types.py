"""Remembers the types of columns whose features model.toml does not declare, for columns that come without any value.

A caller's library can't know the type of a column in which every row is missing, and sends numbers. Functions tell
missing text from missing numbers, as R tells NA_character_ from NA_real_, so the type matters.
"""

from collections.abc import Sequence

from bridge.columns import Batch, Column, Matrix, Table, Type, all_missing
from bridge.features.feature import Feature

__all__ = ["KeptTypes"]


class KeptTypes:
    """The types that the columns of undeclared features had in scored calls of one resident version."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._seen: dict[str, set[Type]] = {feature.name: set() for feature in features if feature.type is None}

    def fill(self, table: Table, sent: Batch) -> Table:
        """Returns the table with the remembered types for its undeclared columns without a value; the rest unchanged.

        Args:
            table: the bound table.
            sent: the batch as the caller sent it, which says the places of the columns.
        """
        kept = {column.name: kind for column in table.columns if (kind := self._other_type(column)) is not None}
        if not kept:
            return table
        columns = tuple(
            all_missing(column.name, kept[column.name], table.rows) if column.name in kept else column
            for column in table.columns
        )
        places = {name: place for place, name in enumerate(_names(sent) or [column.name for column in columns])}
        return Table(columns, table.rows, table.unfit, {places[name]: kind for name, kind in kept.items()})

    def keep(self, table: Table) -> None:
        """Remembers the column types of a call that the model has scored. Failed calls say nothing of the features."""
        for column in table.columns:
            seen = self._seen.get(column.name)
            if seen is not None and column.type not in seen and not column.missing().all():
                seen.add(column.type)

    def _other_type(self, column: Column) -> Type | None:
        """Returns the one type that the feature had so far, if this column has another and no value; else None."""
        seen = self._seen.get(column.name)
        # Where calls had several types, it is not known which one this caller means.
        if seen is None or len(seen) != 1 or column.type in seen or not column.missing().all():
            return None
        return next(iter(seen))


def _names(sent: Batch) -> Sequence[str]:
    return sent.names if isinstance(sent, Matrix) else [column.name for column in sent.columns]
