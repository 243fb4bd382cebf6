"""Binds a caller's batch to the names, order and types of a model's features.

Each check here protects from scores that are wrong without an error: R silently takes strings for numbers, and global
variables in the place of missing columns; xgboost takes columns by position.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from bridge.columns import (
    DOUBLE_EXACT,
    INT_MAX,
    Batch,
    Column,
    Matrix,
    Table,
    Type,
    all_missing,
)
from bridge.errors import InvalidRequest
from bridge.features.conversions import Conversions, R, same
from bridge.features.feature import Feature, by_name
from bridge.features.level_codes import LevelCodes
from bridge.features.row_faults import RowFaults

__all__ = ["Binding", "column_order"]

_NAMES_SHOWN = 5


def _counted(names: Sequence[str]) -> str:
    noun = "column" if len(names) == 1 else "columns"
    shown = ", ".join(f"'{name}'" for name in names[:_NAMES_SHOWN])
    return f"{noun} {shown}" if len(names) <= _NAMES_SHOWN else f"{noun} {shown} and {len(names) - _NAMES_SHOWN} more"


def column_order(names: Sequence[str], features: Sequence[Feature]) -> list[int | None]:
    """Returns for each feature the position of its column among the caller's; None for an optional one left out.

    Raises:
        InvalidRequest: a column is there twice or is not a feature, or a required feature is missing.
    """
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        if positions.setdefault(name, position) != position:
            raise InvalidRequest(f"column '{name}' is there twice")
    known = by_name(features)
    unknown = [name for name in names if name not in known]
    absent = [feature.name for feature in features if feature.required and feature.name not in positions]
    complaints = [f"missing {_counted(absent)}"] if absent else []
    complaints += [f"the model does not know {_counted(unknown)}"] if unknown else []
    if complaints:
        raise InvalidRequest("; ".join(complaints))
    return [positions.get(feature.name) for feature in features]


class Binding:
    """Brings callers' batches into a model's order and types; optional features that a caller left out stay out.

    Args:
        features: the model's features.
        conversions: what the model's language makes of columns.
    """

    def __init__(self, features: Sequence[Feature], conversions: Conversions = R) -> None:
        self._features = features
        self._conversions = conversions
        self._codes = {feature.name: LevelCodes(feature) for feature in features if feature.type is Type.FACTOR}
        # Callers send the same columns again and again.
        self._order = lru_cache(maxsize=64)(lambda names: column_order(names, features))

    def bind(self, batch: Batch, *, alone: bool = False) -> Table:
        """Returns a batch as the model takes it.

        Args:
            batch: the caller's batch.
            alone: whether rows with a value that the model can't take only lose their own score; else the first such
                row refuses the batch.

        Raises:
            InvalidRequest: the model can't take the batch; the message names the column and what is wrong with it.
        """
        features, faults = self._features, RowFaults(alone=alone)
        table = _as_table(batch, features, faults)
        order = self._order(tuple(column.name for column in table.columns))
        columns = tuple(
            _typed(table.columns[position], feature, self._codes.get(feature.name), faults, self._conversions)
            for position, feature in zip(order, features, strict=True)
            if position is not None
        )
        return Table(columns, table.rows, faults.found)


def _as_table(batch: Batch, features: Sequence[Feature], faults: RowFaults) -> Table:
    if isinstance(batch, Matrix):
        if not batch.names and batch.values.shape[1] != len(features):
            raise InvalidRequest(
                f"the matrix has {batch.values.shape[1]} columns and no names; the model takes {len(features)}",
                limit=f"{len(features)} columns",
            )
        table = batch.table(batch.names or [feature.name for feature in features])
        known = by_name(features)
        return replace(table, columns=tuple(_whole_numbers(column, known, faults) for column in table.columns))
    return batch


def _whole_numbers(column: Column, features: dict[str, Feature], faults: RowFaults) -> Column:
    """Returns a matrix column as whole numbers where the feature has such: a matrix has one type for all columns."""
    kind = features[column.name].type if column.name in features else None
    if kind not in (Type.INT, Type.INT64):
        return column
    missing = column.missing()
    numbers = np.where(missing, 0.0, column.values)
    bad = (numbers != np.rint(numbers)) | (np.abs(numbers) > (INT_MAX if kind is Type.INT else DOUBLE_EXACT))
    if faults.refuse(column.name, bad, f"not a whole number that fits {kind}"):
        numbers[bad] = 0
    return Column(column.name, kind, numbers.astype(kind.dtype), missing if missing.any() else None)


def _typed(
    column: Column, feature: Feature, codes: LevelCodes | None, faults: RowFaults, conversions: Conversions
) -> Column:
    if feature.type is None:
        return conversions.undeclared.get(column.type, same)(column, faults)
    convert = conversions.declared.get((column.type, feature.type))
    if convert is same and codes is None:
        return column
    if convert is None and column.missing().all():
        # A caller's library can't know the type of a column without values or without rows.
        return all_missing(column.name, feature.type, len(column), feature.levels)
    if convert is None:
        raise InvalidRequest(f"column '{column.name}' is {column.type}, the model takes {feature.type}")
    if codes is not None:
        return _to_factor(column, feature, codes, faults)
    return convert(column, faults)


def _to_factor(column: Column, feature: Feature, codes: LevelCodes, faults: RowFaults) -> Column:
    found = codes.of(column.values.tolist())
    missing = column.missing()
    strange = (found < 0) & ~missing
    faults.settle(feature, strange)
    mask = missing | strange
    found[mask] = 0
    return Column(column.name, Type.FACTOR, found, mask if mask.any() else None, feature.levels)
