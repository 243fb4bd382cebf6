"""Columns, matrices and tables: what is missing, and that slices and joins lose nothing."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.columns import Array, Column, Matrix, Table, Type, all_missing, concatenate, constant, join

VALUES: dict[Type, Array] = {
    Type.DOUBLE: np.array([1.5, np.nan, -0.0]),
    Type.FLOAT: np.array([1.5, np.nan, -0.0], np.float32),
    Type.INT: np.array([1, 0, -3], np.int32),
    Type.INT64: np.array([2**60, 0, -3], np.int64),
    Type.BOOL: np.array([True, False, True]),
    Type.STRING: np.array(["a", "", "é"], object),
    Type.FACTOR: np.array([1, 0, 0], np.int32),
}


def second_missing(column_type: Type) -> Column:
    mask = None if column_type.is_floating else np.array([False, True, False])
    levels = ("low", "high") if column_type is Type.FACTOR else ()
    return Column("x", column_type, VALUES[column_type], mask, levels)


def same(one: Column, other: Column) -> bool:
    return (
        (one.name, one.type, one.levels, one.values.dtype) == (other.name, other.type, other.levels, other.values.dtype)
        and one.missing().tolist() == other.missing().tolist()
        and one.values[~one.missing()].tolist() == other.values[~other.missing()].tolist()
    )


@pytest.mark.parametrize("column_type", Type)
def test_missing_is_nan_of_floating_types_and_the_mask_of_others(column_type: Type) -> None:
    column = second_missing(column_type)
    assert column.values.dtype == column_type.dtype
    assert column.missing().tolist() == [False, True, False]
    bare = Column("x", column_type, VALUES[column_type])
    assert bare.missing().tolist() == [False, column_type.is_floating, False]


@pytest.mark.parametrize("column_type", Type)
@given(cuts=st.lists(st.integers(0, 3), max_size=4))
@settings(max_examples=20, deadline=None)
def test_slices_joined_again_are_the_column(column_type: Type, cuts: list[int]) -> None:
    column = second_missing(column_type)
    edges = [0, *sorted(cuts), 3]
    parts = [column.slice(first, last - first) for first, last in pairwise(edges)]
    assert [len(part) for part in parts] == np.diff(edges).tolist()
    assert same(concatenate(parts), column)


def test_a_slice_is_no_copy() -> None:
    column = second_missing(Type.INT)
    part = column.slice(1, 2)
    assert np.shares_memory(part.values, column.values)
    assert part.mask is not None
    assert column.mask is not None
    assert np.shares_memory(part.mask, column.mask)
    matrix = Matrix((), np.arange(6.0).reshape(3, 2))
    assert matrix.slice(1, 1).values.tolist() == [[2.0, 3.0]]
    assert np.shares_memory(matrix.slice(1, 1).values, matrix.values)


def test_joining_a_part_without_a_mask_keeps_the_mask_of_the_other() -> None:
    plain = Column("x", Type.STRING, np.array(["b"], object))
    joined = concatenate([plain, second_missing(Type.STRING), plain])
    assert joined.missing().tolist() == [False, False, True, False, False]
    assert joined.values.tolist() == ["b", "a", "", "é", "b"]
    assert concatenate([plain, plain]).mask is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_matrix_as_a_table_keeps_type_bits_and_rows(dtype: type[np.floating[Any]]) -> None:
    values = np.array([[1.1, np.nan], [-0.0, 2.2], [3.3, 4.4]], dtype)
    table = Matrix(("b", "a"), values).table(["b", "a"])
    assert table.rows == 3
    assert [column.name for column in table.columns] == ["b", "a"]
    assert {column.values.dtype for column in table.columns} == {np.dtype(dtype)}
    assert {column.type.dtype for column in table.columns} == {np.dtype(dtype)}
    assert all(column.values.flags.c_contiguous for column in table.columns)
    assert np.column_stack([column.values for column in table.columns]).tobytes() == values.tobytes()


def test_a_table_is_sliced_column_by_column() -> None:
    part = Table((second_missing(Type.INT), replace(second_missing(Type.STRING), name="s")), 3).slice(1, 2)
    assert part.rows == 2
    assert [column.name for column in part.columns] == ["x", "s"]
    assert [column.missing().tolist() for column in part.columns] == [[True, False]] * 2
    assert part.columns[0].values.tolist() == [0, -3]


@pytest.mark.parametrize(
    ("column_type", "value"),
    [(Type.DOUBLE, 0.1), (Type.FLOAT, 0.5), (Type.INT, 7), (Type.BOOL, True), (Type.STRING, "long text")],
)
def test_a_constant_is_its_value_in_every_row(column_type: Type, value: float | bool | str) -> None:
    column = constant("x", column_type, value, 3)
    assert column.values.tolist() == [value] * 3
    assert column.values.dtype == column_type.dtype
    assert not column.missing().any()
    assert len(constant("x", column_type, value, 0)) == 0


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("column_type", Type)
def test_all_missing_has_no_value_of_any_type(column_type: Type, rows: int) -> None:
    column = all_missing("x", column_type, rows, ("a",) if column_type is Type.FACTOR else ())
    assert column.values.dtype == column_type.dtype
    assert column.missing().tolist() == [True] * rows
    assert column.levels == (("a",) if column_type is Type.FACTOR else ())
    assert (column.mask is None) == column_type.is_floating


def test_batches_are_joined_row_after_row() -> None:
    one, other = Matrix(("a",), np.array([[1.0], [np.nan]])), Matrix(("a",), np.array([[3.0]]))
    joined = join([one, other])
    assert isinstance(joined, Matrix)
    assert joined.names == ("a",)
    assert joined.values.tobytes() == np.array([[1.0], [np.nan], [3.0]]).tobytes()
    columns = (second_missing(Type.INT), replace(second_missing(Type.STRING), name="s"))
    together = join([Table(columns, 3), Table(columns, 3).slice(0, 1), Table(columns, 3).slice(1, 2)])
    assert isinstance(together, Table)
    assert together.rows == 6
    assert all(same(got, concatenate([column, column])) for got, column in zip(together.columns, columns, strict=True))
