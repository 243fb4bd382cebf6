"""The types that undeclared features always had, for columns that come without a value."""

from typing import Any

import numpy as np
import pytest

from bridge.columns import Column, Matrix, Table, Type, Unfit, all_missing, constant
from bridge.errors import UnknownLevel
from bridge.features.binding import Binding
from bridge.features.feature import Feature
from bridge.features.kept_types import KeptTypes

FEATURES = (Feature("town"), Feature("size"), Feature("age", Type.DOUBLE))
VALUES: dict[Type, Any] = {Type.DOUBLE: 1.5, Type.INT: 2, Type.BOOL: True, Type.STRING: "a"}


def table(**columns: Column) -> Table:
    return Table(tuple(columns.values()), 2)


def valued(name: str, kind: Type) -> Column:
    return constant(name, kind, VALUES[kind], 2)


def types(filled: Table) -> dict[str, Type]:
    return {column.name: column.type for column in filled.columns}


@pytest.mark.parametrize("kept", list(VALUES))
@pytest.mark.parametrize("sent", list(VALUES))
def test_a_column_without_a_value_is_of_the_type_that_the_feature_always_had(kept: Type, sent: Type) -> None:
    kept_types = KeptTypes(FEATURES)
    bound = table(town=all_missing("town", sent, 2))
    assert kept_types.fill(bound, bound) is bound
    kept_types.keep(table(town=valued("town", kept)))
    filled = kept_types.fill(bound, bound)
    (column,) = filled.columns
    assert (column.type, column.missing().tolist()) == (kept, [True, True])
    assert filled.kept_types == (None if kept is sent else {0: kept})


def test_one_value_is_enough_to_be_as_it_was_sent() -> None:
    kept_types = KeptTypes(FEATURES)
    kept_types.keep(table(town=valued("town", Type.STRING)))
    for bound in (
        table(town=Column("town", Type.DOUBLE, np.array([np.nan, 1.0]))),
        table(town=Column("town", Type.INT, np.array([1, 1], np.int32), np.array([True, False]))),
        table(town=valued("town", Type.STRING)),
    ):
        assert kept_types.fill(bound, bound) is bound


def test_where_calls_had_several_types_nothing_is_changed() -> None:
    kept_types = KeptTypes(FEATURES)
    bound = table(town=all_missing("town", Type.DOUBLE, 2), size=all_missing("size", Type.DOUBLE, 2))
    for kind in (Type.STRING, Type.BOOL):
        kept_types.keep(table(town=valued("town", kind), size=valued("size", Type.BOOL)))
    filled = kept_types.fill(bound, bound)
    assert types(filled) == {"town": Type.DOUBLE, "size": Type.BOOL}
    kept_types.keep(table(town=valued("town", Type.STRING)))
    assert types(kept_types.fill(bound, bound))["town"] is Type.DOUBLE


def test_columns_without_a_value_and_declared_features_teach_nothing() -> None:
    kept_types = KeptTypes(FEATURES)
    kept_types.keep(table(town=all_missing("town", Type.DOUBLE, 2), age=valued("age", Type.DOUBLE)))
    kept_types.keep(table(town=valued("town", Type.STRING)))
    kept_types.keep(kept_types.fill(*[table(town=all_missing("town", Type.DOUBLE, 2))] * 2))
    bound = table(town=all_missing("town", Type.DOUBLE, 2), age=all_missing("age", Type.STRING, 2))
    assert types(kept_types.fill(bound, bound)) == {"town": Type.STRING, "age": Type.STRING}


NOTHING = np.full((2, 3), np.nan)


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        (Matrix((), NOTHING), 1),
        (Matrix(("age", "town", "size"), NOTHING), 2),
        (
            table(
                size=all_missing("size", Type.DOUBLE, 2),
                town=valued("town", Type.STRING),
                age=valued("age", Type.DOUBLE),
            ),
            0,
        ),
    ],
)
def test_the_place_is_the_caller_s(sent: Matrix | Table, place: int) -> None:
    kept_types = KeptTypes(FEATURES)
    kept_types.keep(table(size=valued("size", Type.INT)))
    filled = kept_types.fill(Binding(FEATURES).bind(sent), sent)
    assert types(filled)["size"] is Type.INT
    assert filled.kept_types == {place: Type.INT}


def test_rows_that_are_unfit_stay_so() -> None:
    kept_types = KeptTypes(FEATURES)
    kept_types.keep(table(town=valued("town", Type.STRING)))
    unfit = {1: Unfit("size", "not one of its levels", UnknownLevel)}
    bound = Table((all_missing("town", Type.DOUBLE, 2),), 2, unfit)
    assert kept_types.fill(bound, bound).unfit == unfit
